import Synchronization

/// Counts what several tasks have done.
final class ProgressCounter: Sendable {
    private let done = Atomic(0)
    private let total: Int
    private let report: @Sendable (Int, Int) -> Void

    init(total: Int, report: @escaping @Sendable (Int, Int) -> Void) {
        self.total = total
        self.report = report
    }

    func advance() { report(done.add(1, ordering: .relaxed).newValue, total) }
}
