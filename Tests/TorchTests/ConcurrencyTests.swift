import Testing
import Torch

/// Work on several threads at the same time.
@Suite(.serialized) struct ConcurrencyTests {
    private func onThreads<Result>(_ count: Int, _ body: () throws -> Result) rethrows -> Result {
        let threads = Machine.threads
        defer { Machine.threads = threads }
        Machine.threads = count
        return try body()
    }

    @Test(arguments: [1, 4]) func sharesTheThreadsOut(threads: Int) throws {
        try onThreads(threads) {
            let weight = Tensor.randn([8, 8], generator: Generator(seed: 1))
            weight.requiresGrad = true
            let found = try Machine.concurrently(2) { number in
                let loss = (Double(number + 1) * weight).squared().sum()
                return (Machine.threads, gradients(of: [loss], with: [weight])[0]?.sum().item())
            }
            #expect(found.map(\.0) == [max(1, threads / 2), max(1, threads / 2)])
            let sum = 2 * weight.detached().sum().item()
            #expect(abs((found[0].1 ?? .nan) - sum) < 1e-4 && abs((found[1].1 ?? .nan) - 4 * sum) < 1e-4)
            #expect(Machine.threads == threads)
        }
    }

    @Test(arguments: [1, 4]) func worksInTheCallersModes(threads: Int) throws {
        try onThreads(threads) {
            let weight = Tensor.ones([2, 2])
            weight.requiresGrad = true
            let found = try noGrad {
                try autocast(.cpu, dtype: .bfloat16) { try Machine.concurrently(4) { _ in weight.matmul(weight) } }
            }
            #expect(found.allSatisfy { !$0.requiresGrad && $0.dtype == .bfloat16 })
            #expect(try Machine.concurrently(4) { _ in (weight * 2).requiresGrad } == [true, true, true, true])
        }
    }

    @Test(arguments: [1, 3]) func throwsTheFirstFailure(threads: Int) {
        onThreads(threads) {
            let error = #expect(throws: TorchError.self) {
                try Machine.concurrently(3) { number in
                    // An operator's failure, in the second and the third call.
                    Tensor.ones([2, 3]).matmul(Tensor.ones([number == 0 ? 3 : 3 + number, 1])).sum().item()
                }
            }
            #expect(error?.message.contains("4x1") == true, "\(error?.message ?? "")")
        }
    }
}
