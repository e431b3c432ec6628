import Testing
import Torch

@testable import DomainGeneralization

struct EvaluationTests {
    @Test func scoresItemsAndClasses() {
        let predictions = [(0, 0), (0, 0), (0, 1), (1, 1)].enumerated().map {
            Prediction(item: $0, label: $1.0, predicted: $1.1, loss: Double($0), confidence: 0.5)
        }
        let score = Score(predictions: predictions)
        #expect(score.accuracy == 0.75)
        let expected = (2.0 / 3 + 1) / 2
        #expect(score.meanClassAccuracy == expected)
        #expect(score.loss == 1.5)
        #expect(Score(predictions: []).accuracy == nil)
    }

    /// The last bit is that of the sum in the classes' order, in every process.
    @Test func sumsInTheOrderOfTheClasses() {
        // 0.1 + 0.2 + 0.3 + …: other orders give other last bits.
        let sizes = [10, 5, 10, 7, 3, 11, 13]
        let rights = [1, 1, 3, 2, 1, 5, 6]
        var predictions: [Prediction] = []
        for (label, (size, right)) in zip(sizes, rights).enumerated() {
            for item in 0..<size {
                predictions.append(
                    Prediction(item: item, label: label, predicted: item < right ? label : -1, loss: 0, confidence: 0.5)
                )
            }
        }
        let expected = zip(rights, sizes).reduce(0) { $0 + Double($1.0) / Double($1.1) } / 7
        #expect(Score(predictions: predictions.shuffled()).meanClassAccuracy == expected)
    }

    @Test func selectsTheFirstBestCheckpoint() {
        let rows = [(100, 0.5, 0.9), (200, 0.7, 0.5), (300, 0.7, 0.6)].map { step, first, second in
            CheckpointRow([
                "step": .int(step), "env0_out_acc": .double(first), "env1_out_acc": .double(first),
                "env2_out_acc": .double(second),
            ])
        }
        #expect(ModelSelection.trainingDomain.choose(rows, sources: [0, 1])?.step == 200)
        #expect(ModelSelection.oracle.choose(rows, sources: [0, 1])?.step == 300)
        #expect(ModelSelection.trainingDomain.choose([], sources: [0]) == nil)
        // A domain without validation items is no part of the mean; where no domain has any, the last one counts.
        #expect(rows[0].mean([0, 3], CheckpointRow.validationAccuracy) == 0.5)
        #expect(rows[0].mean([3], CheckpointRow.validationAccuracy) == nil)
        #expect(ModelSelection.trainingDomain.choose(rows, sources: [3])?.step == 300)
    }

    @Test func averagesMeansAndSumsTotals() {
        var sums = MetricSums()
        sums.add([Metric("loss", 1), Metric("ld_seconds", 2, .total)])
        sums.add([Metric("loss", 3), Metric("ld_seconds", 2, .total)])
        #expect(sums.means == ["loss": 2])
        sums.startOver()
        sums.add([Metric("loss", 5)])
        #expect(sums.means == ["loss": 5])
        #expect(sums.totals == ["ld_seconds": 4])
    }

    @Test func stopsAtALossThatIsNotFinite() throws {
        let parameter = Tensor([1.0 as Float])
        let training = TrainingStep([parameter], settings: OptimizerSettings(learningRate: 0.1))
        #expect(try training.minimise((parameter * 2).sum(), step: 0) == 2)
        let before = parameter.scalars(Float.self)
        #expect(throws: NonFiniteError.self) { try training.minimise((parameter * .infinity).sum(), step: 7) }
        // √0 has a finite value and an infinite gradient.
        #expect(throws: NonFiniteError.self) { try training.minimise((parameter * 0).sqrt().sum(), step: 8) }
        #expect(parameter.scalars(Float.self) == before)
        let state = training.state
        try training.load(state, name: "state")
        #expect(state.tensors.names.allSatisfy { $0.hasPrefix("optimizer.") } == true)
    }

    @Test func stepsAtTheSchedulesRate() throws {
        let parameter = Tensor([1.0 as Float])
        let schedule = LearningRateSchedule(.linear, steps: 4)
        let training = TrainingStep(
            [parameter], settings: OptimizerSettings(learningRate: 0.5, schedule: schedule), rule: .sgd())
        // Gradient 2 at rates 0.5, 0.25 and 0.125; the step says which, as after a resumption.
        for (step, expected) in [(0, 0.0), (2, -0.5), (3, -0.75)] as [(Int, Float)] {
            try training.minimise((parameter * 2).sum(), step: step)
            #expect(parameter.scalars(Float.self) == [expected])
        }
        try training.apply([Tensor([2.0 as Float])], step: 1)
        #expect(parameter.scalars(Float.self) == [-1.5])
    }

    @Test func mixesAmplitudes() {
        let generator = Generator(seed: 1)
        let images = Tensor.rand([2, 3, 8, 8], generator: generator) * 0.5 + 0.25
        let others = Tensor.rand([2, 3, 8, 8], generator: generator) * 0.5 + 0.25
        func difference(_ a: Tensor, _ b: Tensor) -> Double { (a - b).abs().max().item() }
        func weights(_ value: Double) -> Tensor { .full([2, 1, 1, 1], value) }
        #expect(difference(mixAmplitudes(images, with: others, weights: weights(0)), images) < 1e-5)
        let own = mixAmplitudes(images, with: images, weights: weights(0.7))
        #expect(difference(own, images) < 1e-5)
        // The mean of an image is its amplitude at frequency 0.
        let mixed = mixAmplitudes(images, with: others, weights: weights(0.5))
        let means = (images.mean([2, 3]) + others.mean([2, 3])) * 0.5
        #expect(difference(mixed.mean([2, 3]), means) < 0.01)
    }
}
