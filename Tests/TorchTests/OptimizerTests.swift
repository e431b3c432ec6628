import Foundations
import Testing
import Torch

@Suite struct OptimizerTests {
    /// The problem of scripts/fixtures/binding.py: sum(tanh(p W)²) + sum(q³).
    private struct Problem {
        let p = randn(20, 3, 4)
        let q = randn(21, 5)
        private let weight = randn(22, 4, 2)

        init() {
            p.requiresGrad = true
            q.requiresGrad = true
        }

        func step(_ optimizer: Optimizer) -> [Tensor] {
            optimizer.zeroGrad()
            (p.matmul(weight).tanh().squared().sum() + q.pow(3).sum()).backward()
            optimizer.step()
            return [p, q].map { $0.detached().cloned().flattened() }
        }

        func path(_ optimizer: Optimizer, steps: Int = 5) -> Tensor {
            .concatenated((0..<steps).flatMap { _ in step(optimizer) })
        }
    }

    private func path(_ rule: OptimizerRule, decay: Double = 0) -> Tensor {
        let problem = Problem()
        return problem.path(Optimizer(rule, [problem.p, problem.q], learningRate: 0.05, weightDecay: decay))
    }

    private func pathOfGroups() -> Tensor {
        let problem = Problem()
        let groups = [
            ParameterGroup([problem.p], rateScale: 0.1), ParameterGroup([problem.q], weightDecay: 0.3),
        ]
        return problem.path(Optimizer(.adamW(), groups: groups, learningRate: 0.05, weightDecay: 0.1))
    }

    @Test func trajectoriesEqualPyTorchs() throws {
        let (p, q) = (randn(20, 3, 4), randn(21, 5))
        for leaf in [p, q] { leaf.requiresGrad = true }
        (p.pow(2).sum() + q.pow(3).sum()).backward()
        let norm = clipGradients([p, q], maximum: 1.5)
        let (clippedP, clippedQ) = (try #require(p.grad), try #require(q.grad))
        let cases: [String: () -> Tensor] = [
            "adam": { path(.adam()) }, "adamDecay": { path(.adam(), decay: 0.1) },
            "adamOther": { path(.adam(beta1: 0.8, beta2: 0.9, epsilon: 1e-4)) }, "adamW": { path(.adamW()) },
            "adamWDecay": { path(.adamW(), decay: 0.1) }, "sgd": { path(.sgd()) },
            "sgdDecay": { path(.sgd(), decay: 0.1) }, "momentum": { path(.sgd(momentum: 0.9)) },
            "momentumDecay": { path(.sgd(momentum: 0.9), decay: 0.1) },
            "nesterov": { path(.sgd(momentum: 0.9, nesterov: true), decay: 0.1) }, "groups": { pathOfGroups() },
            "clipNorm": { norm }, "clipP": { clippedP }, "clipQ": { clippedQ },
        ]
        try BindingReference.compare("optimisers", cases)
    }

    @Test(arguments: [OptimizerRule.adam(), .sgd(momentum: 0.9)])
    func aSavedStateContinues(_ rule: OptimizerRule) throws {
        let whole = Problem()
        let expected = whole.path(Optimizer(rule, [whole.p, whole.q], learningRate: 0.05), steps: 5)[51..<85]

        let broken = Problem()
        let first = Optimizer(rule, [broken.p, broken.q], learningRate: 0.05)
        _ = broken.path(first, steps: 3)
        let second = Optimizer(rule, [broken.p, broken.q], learningRate: 0.05)
        try second.load(first.state, name: "state")
        #expect(broken.path(second, steps: 2).scalars(Float.self) == expected.scalars(Float.self))
    }

    @Test func refusesTheStateOfOtherParameters() throws {
        let problem = Problem()
        let optimizer = Optimizer(.adam(), [problem.p, problem.q], learningRate: 0.05)
        let other = Optimizer(.adam(), [problem.q], learningRate: 0.05)
        let error = #expect(throws: UserError.self) { try optimizer.load(other.state, name: "optimizer.safetensors") }
        #expect(error?.message.hasPrefix("optimizer.safetensors is not the state of this optimiser: 0.0.first") == true)
    }

    @Test func parametersWithoutGradientStay() {
        let problem = Problem()
        let before: [Float] = problem.q.scalars()
        problem.p.sum().backward()
        Optimizer(.adam(), [problem.p, problem.q], learningRate: 0.05, weightDecay: 0.1).step()
        #expect(problem.q.scalars() == before)
    }

    /// torch.optim: A's momentum is kept when B has its first gradient, a step later.
    @Test func momentumIsOfEachParameter() {
        let (a, b) = (Tensor.zeros([1]), Tensor.zeros([1]))
        let optimizer = Optimizer(.sgd(momentum: 0.9), [b, a], learningRate: 0.1)
        a.grad = .ones([1])
        optimizer.step()
        b.grad = .ones([1])
        optimizer.step()
        #expect(abs(a.item() + 0.29) < 1e-6 && abs(b.item() + 0.1) < 1e-6)
    }

    /// A gradient may lie in memory in another order than its parameter.
    @Test func gradientsOfAnotherLayout() {
        let gradient = randn(23, 2, 3, 4, 4)
        let results = [MemoryFormat.contiguous, .channelsLast].map { layout in
            let parameter = Tensor.zeros([2, 3, 4, 4]).contiguous(layout)
            parameter.grad = gradient
            Optimizer(.sgd(), [parameter], learningRate: 1).step()
            return parameter.scalars(Float.self)
        }
        #expect(results[0] == results[1] && results[0] == (-gradient).scalars())

        let scalar = Tensor.zeros([3])
        scalar.grad = Tensor.ones([1]).expanded([3])
        Optimizer(.adam(), [scalar], learningRate: 1).step()
        #expect((scalar + 1).abs().max().item() < 1e-6)
    }

    @Test(arguments: [([2], DType.float32), ([3], .float64)]) func refusesAnotherGradient(
        _ shape: [Int], _ dtype: DType
    ) {
        let error = #expect(throws: TorchError.self) {
            try withTorchErrors { Tensor.zeros([3]).grad = .ones(shape, dtype: dtype) }
        }
        #expect(error?.message.contains("must have its tensor's shape, type and device") == true)
    }

    @Test func smallGradientsAreNotClipped() throws {
        let problem = Problem()
        (problem.p * 0.01).sum().backward()
        let before: [Float] = try #require(problem.p.grad).scalars()
        clipGradients([problem.p, problem.q], maximum: 1)
        #expect(try #require(problem.p.grad).scalars() == before)
        #expect(clipGradients([problem.q], maximum: 1).item() == 0)
    }

    @Test func averagesFollowTheParameters() {
        let parameter = Tensor([1, 2] as [Float])
        parameter.requiresGrad = true
        let average = ParameterAverage([parameter], decay: 0.75)
        noGrad { parameter.fill_(5) }
        average.update()
        #expect(average.averages[0].scalars() == [2, 2.75] as [Float])
        average.whileSwapped { #expect(parameter.scalars() == [2, 2.75] as [Float]) }
        #expect(parameter.scalars() == [5, 5] as [Float])
        struct Stop: Error {}
        #expect(throws: Stop.self) { try average.whileSwapped { throw Stop() } }
        #expect(parameter.scalars() == [5, 5] as [Float])
    }
}

@Suite struct LearningRateScheduleTests {
    @Test func constantAndWarmup() {
        #expect(LearningRateSchedule.constant.factor(1000) == 1)
        let warmup = LearningRateSchedule.warmup(steps: 4)
        #expect((0..<6).map(warmup.factor) == [0.25, 0.5, 0.75, 1, 1, 1])
    }

    @Test func cosineFallsToItsFloor() {
        let cosine = LearningRateSchedule.cosine(warmup: 2, total: 10, floor: 0.1)
        #expect(cosine.factor(0) == 0.5)
        #expect(cosine.factor(2) == 1)
        #expect(abs(cosine.factor(6) - 0.55) < 1e-12)
        #expect(abs(cosine.factor(4) - (0.1 + 0.45 * (1 + 0.5.squareRoot()))) < 1e-12)
        #expect(abs(cosine.factor(10) - 0.1) < 1e-12)
        #expect(abs(cosine.factor(99) - 0.1) < 1e-12)
    }

    @Test func trapezoidFallsAtTheEnd() {
        let trapezoid = LearningRateSchedule.trapezoid(warmup: 2, total: 10, decay: 0.4, floor: 0)
        #expect((0..<11).map(trapezoid.factor) == [0.5, 1, 1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0])
        #expect(LearningRateSchedule.trapezoid(total: 10).factor(20) == 0)
    }

    /// As torch.optim.lr_scheduler: CosineAnnealingLR(T_max: 8) and LinearLR(1, 0, total_iters: 8).
    @Test func shapesOfAWholeTraining() {
        #expect((0..<9).map(LearningRateSchedule(.constant, steps: 8).factor) == [Double](repeating: 1, count: 9))
        #expect((0..<9).map(LearningRateSchedule(.linear, steps: 8).factor) == (0..<9).map { 1 - Double($0) / 8 })
        let cosine = (0..<9).map(LearningRateSchedule(.cosine, steps: 8).factor)
        let expected = [1, 0.96193977, 0.85355339, 0.69134172, 0.5, 0.30865828, 0.14644661, 0.03806023, 0]
        #expect(zip(cosine, expected).allSatisfy { abs($0 - $1) < 1e-8 })
        let warmed = LearningRateSchedule(.linear, steps: 6, warmup: 2)
        #expect((0..<7).map(warmed.factor) == [0.5, 1, 1, 0.75, 0.5, 0.25, 0])
    }
}
