import DomainGeneralization
import Foundation
import Foundations
import Torch

extension ProcessGroup {
    /// Has the processes train one classifier: they begin with the first one's parameters, average their gradients, and take batch
    /// norm's statistics over the images of all, unless each is to keep its own.
    /// - Throws: `UserError` for an algorithm that cannot be shared.
    func join(_ algorithm: any Algorithm, _ configuration: RunConfiguration) throws {
        if let reason = algorithm.whyOneProcess {
            throw UserError(
                "\(configuration.algorithm.name) cannot be trained by \(size) processes: \(reason); train it by one, with "
                    + "more --threads or on a faster --device")
        }
        let store = algorithm.classifier.store
        try withTorchErrors {
            for entry in store.entries where !entry.isParameter { takeFirst(entry.tensor) }
            algorithm.training.join(self)
        }
        if configuration.backbone.syncBatchNorm { store.batchNormGroup = self }
    }

    /// An error that says what to do when a process is lost; nil for any other.
    func explained(_ error: any Error, savedStep: Int) -> (any Error)? {
        // Only gloo's messages, which begin with its source's path, are of the others.
        guard let error = error as? TorchError, error.message.contains("/gloo/") else { return nil }
        let reason = error.message.split(separator: "]").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
        let place = savedStep > 0 ? "goes on after step \(savedStep)" : "begins again"
        return UserError(
            "process \(rank) of \(size): another one ended or cannot be reached any more (\(plainText(reason))); the same "
                + "command for all of them \(place)")
    }
}

extension ProcessGroup? {
    /// The signal that has come to one of the processes: all of them get the same answer.
    var interruption: Interruption? {
        guard let self else { return Interruption.current }
        let own = Double(Interruption.current?.signal ?? 0)
        // A lost process is told of by the step that follows.
        let signals = try? withTorchErrors { self.gathered([[own]], width: 1) }
        let signal = signals?.map { $0[0] }.max() ?? 0
        return signal > 0 ? Interruption(signal: Int32(signal)) : nil
    }

    /// What the first process says, or this one where it is alone.
    func ofFirst<Value: Codable>(_ value: () throws -> Value) throws -> Value {
        guard let self else { return try value() }
        return try self.ofFirst(value)
    }
}
