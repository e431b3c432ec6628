import Torch

/// What a call of an operator costs beside its arithmetic: 4×4 matrices, one thread.
enum OperatorBenchmark {
    static func run() -> [Measurement] {
        Machine.threads = 1
        let generator = Generator(seed: 0)
        let (a, b) = (Tensor.randn([4, 4], generator: generator), Tensor.randn([4, 4], generator: generator))
        let calls = 20_000
        func time(_ name: String, _ call: () -> Tensor) -> Measurement {
            measure("operators.\(name)", threads: 1, warmup: 2, repetitions: 15, calls: calls) {
                for _ in 0..<calls { _ = call() }
            }
        }
        return noGrad {
            [
                time("add") { a + b }, time("addScalar") { a + 1.5 }, time("reshape") { a.reshaped([2, 8]) },
                time("linear") { a.linear(b, nil) },
            ]
        }
    }
}
