import Foundation
import Foundations
import Testing

@Suite struct PrefetcherTests {
    struct Failure: Error, Equatable { let index: Int }

    /// Counts on several threads.
    final class Counter: @unchecked Sendable {
        private let lock = NSLock()
        private var count = 0
        var value: Int { lock.withLock { count } }
        func add(_ difference: Int) { lock.withLock { count += difference } }
    }

    @Test(arguments: [1, 2, 5], [1, 3, 16])
    func givesBatchesInOrder(threads: Int, ahead: Int) throws {
        let batches = Prefetcher(threads: threads, ahead: ahead, from: 10) { index in
            if index % 7 == 0 { Thread.sleep(forTimeInterval: 0.003) }
            return index * index
        }
        for index in 10..<100 { #expect(try batches.next() == index * index) }
    }

    @Test func staysWithinItsLead() throws {
        let made = Counter()
        let batches = Prefetcher(threads: 3, ahead: 4) { index in
            made.add(1)
            return index
        }
        for taken in 1...20 {
            _ = try batches.next()
            Thread.sleep(forTimeInterval: 0.001)
            #expect(made.value <= taken + 4)
        }
    }

    @Test func throwsWhereTheErrorArose() throws {
        let batches = Prefetcher(threads: 4, ahead: 8) { index in
            if index == 5 || index == 9 { throw Failure(index: index) }
            return index
        }
        for index in 0..<20 {
            if index == 5 || index == 9 {
                #expect(throws: Failure(index: index)) { try batches.next() }
            } else {
                #expect(try batches.next() == index)
            }
        }
    }

    @Test func stopsItsThreadsWhenReleased() throws {
        let running = Counter()
        var batches: Prefetcher<Int>? = Prefetcher(threads: 4, ahead: 4) { index in
            running.add(1)
            Thread.sleep(forTimeInterval: 0.005)
            running.add(-1)
            return index
        }
        _ = try batches?.next()
        batches = nil
        #expect(running.value == 0)
    }

    @Test func endsAtItsEnd() throws {
        let made = Counter()
        let batches = Prefetcher(threads: 2, ahead: 8, until: 3) { index in
            made.add(1)
            return index
        }
        for index in 0..<3 { #expect(try batches.next() == index) }
        batches.stop()
        #expect(made.value == 3)
    }

    @Test func mapsInParallelInOrder() throws {
        #expect(try parallelMap(100, threads: 4) { $0 * 2 } == (0..<100).map { $0 * 2 })
        #expect(try parallelMap(0, threads: 4) { $0 } == [])
        #expect(throws: Failure(index: 3)) {
            try parallelMap(50, threads: 4) { index in
                if index == 3 { Thread.sleep(forTimeInterval: 0.01) }
                if index >= 3 { throw Failure(index: index) }
                return index
            }
        }
    }
}
