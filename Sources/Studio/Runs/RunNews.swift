import Foundations
import NIOPosix
import Synchronization

/// The news of a run's page: what of its folder changed.
final class RunNews: NewsSource {
    private struct State {
        var stamps: [FileStamp?] = []
        var last: RunState?
        var told = ContinuousClock.now - pause
        var gallery: FileStamp?
        var history: RunHistory
        var shown: [String: String] = [:]
    }

    /// News of a training are not told more often: to make the page takes time from it.
    private static let pause = Duration.seconds(2)

    private let path: String
    private let folder: String
    private let pool: NIOThreadPool
    private let state: Mutex<State>

    init(_ run: RunEntry, pool: NIOThreadPool) {
        (self.pool, path, folder) = (pool, run.path, run.folder)
        state = Mutex(State(history: RunHistory(folder: run.folder)))
    }

    func next() async throws -> (parts: [String: String], isLast: Bool) {
        try await pool.runIfActive { [self] in state.withLock { read(&$0) } }
    }

    private func read(_ state: inout State) -> (parts: [String: String], isLast: Bool) {
        let now = RunEntry.state(folder)
        guard now != state.last || state.told.duration(to: .now) > Self.pause else { return ([:], false) }
        // Files that are put into place change the folder; logs and events grow.
        let growing = (Files.names(in: folder) ?? []).filter { $0.hasPrefix("events.") || $0 == "log.txt" }
        let stamps = ([folder] + growing.map { "\(folder)/\($0)" }).map { FileStamp($0) }
        guard stamps != state.stamps || now != state.last else { return ([:], false) }
        guard let run = RunEntry(path: path, folder: folder) else { return ([:], true) }
        (state.stamps, state.last, state.told) = (stamps, now, .now)
        state.history.read()
        // Its images are read and written anew only with a new set.
        let gallery = FileStamp("\(folder)/synthetic/manifest.jsonl")
        let isSame = gallery == state.gallery && !state.shown.isEmpty
        state.gallery = gallery
        let ids = RunParts.sections.map(\.id).filter { $0 != "gallery" || !isSame }
        let changed = RunParts(run, state.history).live(ids).filter { state.shown[$0.key] != $0.value }
        state.shown.merge(changed) { $1 }
        return (changed, run.state != .training)
    }
}
