import Backbones
import DomainGeneralization
import Foundation
import Foundations
import Synchronization

@testable import Experiments

/// ERM that fails at a step until it is mended; without a step it is interrupted in a step that trains nothing.
final class Broken: Sendable {
    let isMended = Atomic(false)
    let step: Int?

    init(at step: Int?) {
        self.step = step
    }

    var description: AlgorithmDescription {
        AlgorithmDescription("ERM", "ERM that fails.", ERM.Settings.self) { _, context in
            FailingERM(try ERM(context: context), self)
        }
    }
}

private final class FailingERM: Algorithm {
    private let inner: ERM
    private let broken: Broken

    init(_ inner: ERM, _ broken: Broken) {
        self.inner = inner
        self.broken = broken
    }

    var classifier: Classifier { inner.classifier }
    var training: TrainingStep { inner.training }

    func update(_ minibatches: [Minibatch], step: Int) throws -> [Metric] {
        if step == broken.step, !broken.isMended.load(ordering: .relaxed) {
            throw UserError("broken at step \(step)")
        }
        if broken.step == nil, training.isHeld, !broken.isMended.load(ordering: .relaxed) {
            throw Interruption(signal: SIGTERM)
        }
        return try inner.update(minibatches, step: step)
    }
}
