import Foundation
import Foundations
import Synchronization

/// The runs below a folder.
///
/// What was read of a folder stays as long as its time of modification: every file of a run that the list shows is put into
/// its place by a rename, which changes that. Links are passed over, so that nothing outside the folder is shown. A run is
/// asked for by its path, which is looked up among those that were found, and never joined to another.
package final class RunIndex: Sendable {
    private enum Folder {
        case run(RunEntry)
        /// The folders in it that may hold runs, by name.
        case other([String])
    }

    private struct Known {
        let stamp: FileStamp
        let isFresh: Bool
        let folder: Folder
    }

    private struct State {
        var known: [String: Known] = [:]
        var histories: [String: RunHistory] = [:]
    }

    /// How deep below the folder runs are looked for.
    private static let deepest = 6
    /// The most folders that are looked at.
    private static let mostFolders = 50_000

    /// The folder that is shown.
    package let root: String
    private let threads: Int
    private let state = Mutex(State())

    /// - Parameter threads: how many read runs' folders at a time.
    /// - Throws: `UserError` for a folder that is not there.
    package init(_ root: String, threads: Int) throws {
        guard Files.isFolder(root) else {
            throw UserError("\(root): no such folder; name the one that holds your runs with --runs")
        }
        self.root = root
        self.threads = threads
    }

    /// All runs as they are now, in the order of their paths.
    package func entries() -> [RunEntry] {
        state.withLock { state in
            let all = find(&state)
            let training = Set(all.lazy.filter { $0.state == .training }.map(\.path))
            state.histories = state.histories.filter { training.contains($0.key) }
            return all.map { entry in
                guard entry.state == .training else { return entry }
                var history = state.histories[entry.path] ?? RunHistory(folder: entry.folder)
                history.read()
                state.histories[entry.path] = history
                var entry = entry
                entry.step = max(entry.step, history.step)
                entry.changed = max(entry.changed, history.time ?? entry.changed)
                return entry
            }
        }
    }

    /// The run of a path; nil where there is none.
    package func run(_ path: String) -> RunEntry? { entries().first { $0.path == path } }

    private func find(_ state: inout State) -> [RunEntry] {
        var known: [String: Known] = [:]
        // Runs whose folder is to be read.
        var changed: [(path: String, stamp: FileStamp)] = []
        var waiting = [(path: "", depth: 0)]
        while let (path, depth) = waiting.popLast(), known.count + changed.count < Self.mostFolders {
            let folder = self.folder(path)
            // The folder itself may be a link: its user has named it.
            guard let stamp = FileStamp(path.isEmpty ? Files.realPath(folder) : folder), stamp.isFolder else {
                continue
            }
            let names: [String]
            if let old = state.known[path], old.stamp == stamp, !old.isFresh {
                known[path] = old
                guard case .other(let found) = old.folder else { continue }
                names = found
            } else if !path.isEmpty, FileStamp("\(folder)/config.yaml")?.isFile == true {
                changed.append((path, stamp))
                continue
            } else {
                names = (Files.names(in: folder) ?? []).filter {
                    !$0.hasPrefix(".") && FileStamp("\(folder)/\($0)")?.isFolder == true
                }
                known[path] = Known(stamp: stamp, isFresh: stamp.isFresh(), folder: .other(names))
            }
            guard depth < Self.deepest else { continue }
            waiting += names.map { (path.isEmpty ? $0 : "\(path)/\($0)", depth + 1) }
        }
        let paths = changed
        let read = try? parallelMap(paths.count, threads: threads) { [self] index in
            (RunEntry(path: paths[index].path, folder: folder(paths[index].path)), paths[index].stamp.isFresh())
        }
        for (place, found) in zip(changed, read ?? []) {
            guard let entry = found.0 else { continue }
            known[place.path] = Known(stamp: place.stamp, isFresh: found.1, folder: .run(entry))
        }
        state.known = known
        return known.values.compactMap { known -> RunEntry? in
            guard case .run(var entry) = known.folder else { return nil }
            // Whether a process holds the folder is in no file.
            if entry.state == .training || entry.state == .stopped || entry.state == .failed {
                entry.state = RunEntry.state(entry.folder)
            }
            return entry
        }.sorted { $0.path < $1.path }
    }

    private func folder(_ path: String) -> String { path.isEmpty ? root : FilePath.join(root, path) }
}
