import Synchronization

/// How many images may be in the house at a time.
final class Places: Sendable {
    let count: Int
    private let taken = Mutex(0)
    private let report: @Sendable (Int) -> Void

    /// - Parameter report: told how many are taken, whenever that changes.
    init(_ count: Int, report: @escaping @Sendable (Int) -> Void) {
        self.count = count
        self.report = report
    }

    /// Does work that takes places.
    /// - Throws: ``WebError`` where there are not so many; what the work throws.
    func hold<Result>(_ wanted: Int, _ work: () async throws -> Result) async throws -> Result {
        let isFree = change { taken in
            guard taken + wanted <= count else { return false }
            taken += wanted
            return true
        }
        guard isFree else { throw WebError.busy("too many images wait; send it again in a moment") }
        defer { change { $0 -= wanted } }
        return try await work()
    }

    private func change<Result>(_ body: (inout Int) -> Result) -> Result {
        taken.withLock { taken in
            defer { report(taken) }
            return body(&taken)
        }
    }
}
