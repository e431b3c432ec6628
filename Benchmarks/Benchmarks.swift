import Foundation
import Torch

/// Runs one measurement and prints it as a line of JSON a result: `Benchmarks operators`, `Benchmarks classifier-step`.
@main
struct Benchmarks {
    static let all: [String: @Sendable () throws -> [Measurement]] = [
        "operators": OperatorBenchmark.run, "classifier-step": ClassifierStepBenchmark.run,
        "unet-forward": UNetBenchmark.forward, "unet-train-step": UNetBenchmark.trainStep,
    ]

    static func main() throws {
        guard CommandLine.arguments.count == 2, let run = all[CommandLine.arguments[1]] else {
            let names = all.keys.sorted().joined(separator: "|")
            FileHandle.standardError.write(Data("usage: Benchmarks \(names)\n".utf8))
            exit(64)
        }
        Machine.keepFreedMemory()
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        for measurement in try run() { print(String(decoding: try encoder.encode(measurement), as: UTF8.self)) }
    }
}

/// Seconds that one repetition of something takes.
struct Measurement: Codable {
    let name: String
    let median: Double
    let minimum: Double
    /// Median of the process's CPU time, which a busy machine changes least; with several threads it holds their waiting.
    let processor: Double
    let repetitions: Int
    let threads: Int
}

/// Times `body` after `warmup` runs that do not count.
/// - Parameter calls: how often `body` does the thing to be measured; times are divided by it.
func measure(
    _ name: String, threads: Int, warmup: Int, repetitions: Int, calls: Int = 1, _ body: () -> Void
) -> Measurement {
    for _ in 0..<warmup { body() }
    let clock = ContinuousClock()
    var wall: [Double] = []
    var processor: [Double] = []
    for _ in 0..<repetitions {
        let before = processorSeconds()
        wall.append(clock.measure(body) / .seconds(1) / Double(calls))
        processor.append((processorSeconds() - before) / Double(calls))
    }
    wall.sort()
    processor.sort()
    return Measurement(
        name: name, median: wall[repetitions / 2], minimum: wall[0], processor: processor[repetitions / 2],
        repetitions: repetitions, threads: threads)
}

/// CPU time that all threads of this process have used.
private func processorSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
