import Foundation
import Torch

/// Runs one measurement and prints it as a line of JSON a result: `Benchmarks operators`, `Benchmarks ld-step.demo.step.curve`.
@main
struct Benchmarks {
    typealias Run = ([String]) throws -> [Measurement]

    static func main() throws {
        let simple: [String: () throws -> [Measurement]] = [
            "operators": OperatorBenchmark.run, "classifier-step": ClassifierStepBenchmark.run,
            "unet-forward": UNetBenchmark.forward, "unet-train-step": UNetBenchmark.trainStep,
            "ld-overhead": LDOverheadBenchmark.run,
        ]
        var all: [String: Run] = simple.mapValues { run in { _ in try run() } }
        for benchmark in LDStepBenchmark.all { all[benchmark.name] = { _ in [try benchmark.run()] } }
        all["loader"] = LoaderBenchmark.run

        guard CommandLine.arguments.count >= 2, let run = all[CommandLine.arguments[1]] else {
            let names = all.keys.sorted().joined(separator: "|")
            FileHandle.standardError.write(Data("usage: Benchmarks \(names)\n".utf8))
            exit(64)
        }
        Machine.keepFreedMemory()
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        for measurement in try run(Array(CommandLine.arguments.dropFirst(2))) {
            print(String(decoding: try encoder.encode(measurement), as: UTF8.self))
        }
    }
}
