import Foundations
import Testing

@testable import Backbones
@testable import DomainGeneralization

struct IGATests {
    /// Attention has no second derivatives.
    @Test func refusesTransformers() throws {
        let fixture = try AlgorithmFixture(isReference: true)
        let made = fixture.context
        let transformer = try Backbones.named("vit_small_patch16_224")
        let context = AlgorithmContext(
            dataset: made.dataset, split: made.split, sourceEnvironments: made.sourceEnvironments, testEnvironments: [],
            images: made.images, trainingPipeline: made.trainingPipeline, evaluationPipeline: made.evaluationPipeline,
            imageSize: 224, batchSize: made.batchSize, steps: made.steps, optimizer: made.optimizer,
            device: made.device, seed: made.seed, runDirectory: made.runDirectory,
            storeDirectory: made.storeDirectory, logger: made.logger
        ) { _ in try Classifier(transformer, classCount: 3, seed: 1) }
        #expect(throws: UserError.self) { try IGA(IGA.Settings(), context: context) }
        _ = try IGA(IGA.Settings(), context: made)
    }
}
