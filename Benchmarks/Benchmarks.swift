import Foundation
import Foundations
import Torch

/// Runs one measurement and prints it as a line of JSON a result: `Benchmarks operators`,
/// `Benchmarks ld-step.demo.step.curve`; or compares a model with what diffusers computed of it: `Benchmarks parity FOLDER`
/// (see the script parity).
@main
struct Benchmarks {
    typealias Run = ([String]) throws -> [Measurement]

    static func main() throws {
        let simple: [String: () throws -> [Measurement]] = [
            "operators": OperatorBenchmark.run, "unet-forward": UNetBenchmark.forward,
            "unet-train-step": UNetBenchmark.trainStep,
            "ld-overhead": LDOverheadBenchmark.run,
        ]
        var all: [String: Run] = simple.mapValues { run in { _ in try run() } }
        for benchmark in LDStepBenchmark.all { all[benchmark.name] = { _ in [try benchmark.run()] } }
        all["classifier-step"] = ClassifierStepBenchmark.run
        all["candidates"] = CandidateBenchmark.run
        all["large"] = LargeDataBenchmark.run
        all["loader"] = LoaderBenchmark.run
        all["resnet-step"] = ResNetStepBenchmark.run
        all["stable-diffusion"] = StableDiffusionBenchmark.run

        if CommandLine.arguments.count == 3, CommandLine.arguments[1] == "parity" {
            for row in try ParityCheck.run(folder: CommandLine.arguments[2]) { try printLine(row) }
            return
        }
        guard CommandLine.arguments.count >= 2, let run = all[CommandLine.arguments[1]] else {
            let names = all.keys.sorted().joined(separator: "|")
            Terminal.printError("usage: Benchmarks \(names)")
            exit(64)
        }
        Machine.keepFreedMemory()
        for measurement in try run(Array(CommandLine.arguments.dropFirst(2))) { try printLine(measurement) }
    }

    private static func printLine(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        print(String(decoding: try encoder.encode(value), as: UTF8.self))
    }
}
