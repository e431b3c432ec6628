import ArgumentParser
import Torch

/// Where a command computes.
struct DeviceOption: ParsableArguments {
    @Option(
        help: "auto, cpu, cuda, cuda:INDEX or mps; auto, the fastest, by default.",
        completion: .list(["auto", "cpu", "cuda", "mps"]))
    var device: String?

    /// The device's name, `auto` where none is given.
    var name: String { device ?? "auto" }

    /// The device; of several processes that were launched together each has its own GPU.
    /// - Throws: a one-line error for a device that is not there.
    func found() throws -> Device { try Device(parsing: TrainingProcesses().device(name)) }
}
