import Foundation

/// The results of `transform` for 0..<count in order, worked out on several threads.
///
/// - Parameter threads: how many run at a time, at least 1.
/// - Throws: what `transform` threw for the lowest number that failed; higher numbers may then be left out.
public func parallelMap<T: Sendable>(
    _ count: Int, threads: Int, _ transform: @escaping @Sendable (Int) throws -> T
) throws -> [T] {
    precondition(threads > 0, "work needs at least one thread")
    guard threads > 1, count > 1 else { return try (0..<count).map(transform) }
    let work = ParallelWork(count: count, transform: transform)
    let group = DispatchGroup()
    for _ in 0..<min(threads, count) {
        group.enter()
        Thread {
            work.run()
            group.leave()
        }.start()
    }
    group.wait()
    return try work.results()
}

/// What the threads of ``parallelMap(_:threads:_:)`` share. The variables are guarded by `lock`.
private final class ParallelWork<T: Sendable>: @unchecked Sendable {
    private let lock = NSLock()
    private let transform: @Sendable (Int) throws -> T
    private var done: [Result<T, any Error>?]
    private var unstarted = 0

    init(count: Int, transform: @escaping @Sendable (Int) throws -> T) {
        self.transform = transform
        done = Array(repeating: nil, count: count)
    }

    func run() {
        while let index = take() {
            let result = Result { try transform(index) }
            lock.withLock {
                done[index] = result
                // What was started before still finishes, so the lowest failure is among the results.
                if case .failure = result { unstarted = done.count }
            }
        }
    }

    private func take() -> Int? {
        lock.withLock {
            guard unstarted < done.count else { return nil }
            unstarted += 1
            return unstarted - 1
        }
    }

    func results() throws -> [T] {
        try lock.withLock { try done.compactMap { try $0?.get() } }
    }
}
