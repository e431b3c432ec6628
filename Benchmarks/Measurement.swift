import Foundation

/// Seconds that one repetition of something takes.
struct Measurement: Codable {
    let name: String
    let median: Double
    let minimum: Double
    /// Median of the process's CPU time, which a busy machine changes least; with several threads it holds their waiting.
    let processor: Double
    let repetitions: Int
    let threads: Int
    /// The most memory that was resident at a time, less what was when everything was loaded.
    var peakBytes: Int?
    /// The share of candidates that a classifier takes for their class.
    var recognised: Double?
    /// The candidates that were judged.
    var images: Int?
}

/// Times `body` after `warmup` runs that do not count.
/// - Parameter calls: how often `body` does the thing to be measured; times are divided by it.
func measure(
    _ name: String, threads: Int, warmup: Int, repetitions: Int, calls: Int = 1, _ body: () throws -> Void
) rethrows -> Measurement {
    for _ in 0..<warmup { try body() }
    var samples = Samples()
    for _ in 0..<repetitions { try samples.add(body) }
    return samples.measurement(name, threads: threads, calls: calls)
}

/// The times of repetitions.
struct Samples {
    private var wall: [Double] = []
    private var processor: [Double] = []

    mutating func add(_ body: () throws -> Void) rethrows {
        let before = Self.processorSeconds()
        wall.append(try ContinuousClock().measure(body) / .seconds(1))
        processor.append(Self.processorSeconds() - before)
    }

    func measurement(_ name: String, threads: Int, calls: Int = 1) -> Measurement {
        func median(_ times: [Double]) -> Double { times.sorted()[times.count / 2] / Double(calls) }
        return Measurement(
            name: name, median: median(wall), minimum: (wall.min() ?? 0) / Double(calls), processor: median(processor),
            repetitions: wall.count, threads: threads)
    }

    /// CPU time that all threads of this process have used.
    private static func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
