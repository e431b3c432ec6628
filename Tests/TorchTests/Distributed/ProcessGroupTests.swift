import Foundation
import Foundations
import Testing

@testable import Torch

/// Each process is a thread here: they share nothing but their connections.
struct ProcessGroupTests {
    private static func place(_ rank: Int, of size: Int, port: Int) -> LaunchEnvironment {
        LaunchEnvironment(rank: rank, size: size, localRank: rank, localSize: size, host: "127.0.0.1", port: port)
    }

    /// What each of the processes gives.
    private func together<Result: Sendable>(
        _ size: Int, _ body: @escaping @Sendable (ProcessGroup) throws -> Result
    ) throws -> [Result] {
        let port = try LaunchEnvironment.freePort()
        return try parallelMap(size, threads: size) { rank in
            let group = try ProcessGroup(Self.place(rank, of: size, port: port), patience: 60)
            return try withTorchErrors { try body(group) }
        }
    }

    @Test func theySumSendAndGather() throws {
        let found = try together(3) { group in
            let numbers = Tensor([Float(group.rank), 1, 10])
            group.sum(numbers)
            let columns = Tensor([Float(group.rank), 2, 3, 4], shape: [2, 2]).transposed(0, 1)
            group.takeFirst(columns)
            let rows = group.gathered((0..<group.rank).map { [Double(group.rank), Double($0)] }, width: 2)
            let words = group.bytesOfFirst(group.isFirst ? Array("first".utf8) : [])
            let nothing = group.bytesOfFirst([])
            return (
                numbers.scalars(Float.self), columns.scalars(Float.self), rows, words, nothing,
                group.mean(Double(group.rank)), group.mean(group.rank == 1 ? .nan : 0), group.share(of: 7)
            )
        }
        for (numbers, columns, rows, words, nothing, mean, broken, _) in found {
            #expect(numbers == [3, 3, 30])
            #expect(columns == [0, 3, 2, 4])
            #expect(rows == [[1, 0], [2, 0], [2, 1]])
            #expect(words == Array("first".utf8) && nothing.isEmpty)
            #expect(mean == 1 && broken.isNaN)
        }
        #expect(found.map(\.7) == [0..<2, 2..<4, 4..<7])
    }

    @Test func tensorsOfTheFirstArrive() throws {
        let found = try together(2) { group in
            var own = StateDict()
            if group.isFirst {
                own["a"] = Tensor([1, 2, 3] as [Float], shape: [3, 1])
                own["steps"] = Tensor(7)
                own["none"] = Tensor.empty([0])
            }
            let state = try own.ofFirst(in: group)
            return (state.names.sorted(), state["a"]?.shape, state["a"]?.scalars(Float.self), state["steps"]?.item())
        }
        for (names, shape, values, steps) in found {
            #expect(names == ["a", "none", "steps"] && shape == [3, 1] && values == [1, 2, 3] && steps == 7)
        }
    }

    /// The gradient of the mean over all images, in each process, though each sees its own images alone.
    @Test func gradientsAreThoseOfAllImages() throws {
        let images = Tensor.randn([4, 3, 8, 8], generator: Generator(seed: 1))
        @Sendable func network() -> (ParameterStore, (Tensor) -> Tensor) {
            let store = ParameterStore(seed: 5)
            let first = Conv2d(store.root / "first", in: 3, out: 6, kernel: 3, padding: 1)
            let last = Linear(store.root / "last", in: 6, out: 2)
            return (store, { last(first($0).relu().mean([2, 3])) })
        }
        @Sendable func loss(_ logits: Tensor) -> Tensor {
            crossEntropy(logits, Tensor.zeros([logits.size(0)], dtype: .int64))
        }
        let (store, whole) = network()
        store.setRequiresGrad(true)
        // Two steps: buckets are built anew after the first.
        let wanted = (0..<2).map { _ in
            for parameter in store.parameters { parameter.grad = nil }
            loss(whole(images)).backward()
            return store.parameters.map { $0.grad?.scalars(Float.self) ?? [] }
        }
        let found = try together(2) { group in
            let (store, network) = network()
            store.setRequiresGrad(true)
            let reducer = GradientReducer(store.parameters, over: group)
            return (0..<2).map { _ in
                for parameter in store.parameters { parameter.grad = nil }
                let value = loss(network(images[group.share(of: 4)]))
                reducer.prepare()
                value.backward()
                return store.parameters.map { $0.grad?.scalars(Float.self) ?? [] }
            }
        }
        #expect(found[0] == found[1])
        for (step, wanted) in zip(found[0], wanted) {
            for (own, all) in zip(step, wanted) {
                #expect(zip(own, all).allSatisfy { abs($0 - $1) < 1e-6 } && own.count == all.count)
            }
        }
    }

    /// Batch norm of images that are spread over processes: the maps, gradients and statistics of one that has them all, by the
    /// fused operator (channels-last) and by the others.
    @Test(arguments: [MemoryFormat.contiguous, .channelsLast])
    func batchNormIsThatOfAllImages(_ format: MemoryFormat) throws {
        let images = Tensor.randn([6, 5, 4, 4], generator: Generator(seed: 2)) * 3 + 50
        let other = Tensor.randn([6, 5, 4, 4], generator: Generator(seed: 3))
        @Sendable func run(_ group: ProcessGroup?) -> [[Float]] {
            let store = ParameterStore(seed: 0)
            let norm = BatchNorm2d(store.root, channels: 5)
            store.isTraining = true
            store.batchNormGroup = group
            store.setRequiresGrad(true)
            let rows = group?.share(of: 6) ?? 0..<6
            func part(_ maps: Tensor) -> Tensor { maps[rows].cloned().contiguous(format) }
            let x = part(images)
            x.requiresGrad = true
            let y = norm(x, .relu, adding: part(other))
            (y * part(other)).sum().backward()
            // The parameters' gradients are summed by who trains them.
            let own = [norm.weight.grad, norm.bias.grad].compactMap { $0 }
            if let group { for gradient in own { group.sum(gradient) } }
            // The gradient of a gradient, as a penalty on it has.
            let slope = gradients(of: [norm(x).squared().sum()], with: [x], createGraph: true).compactMap { $0 }
            let second = gradients(of: [(slope[0] * part(other)).sum()], with: [x]).compactMap { $0 }
            return ([y, x.grad].compactMap { $0 } + second + own + [norm.runningMean, norm.runningVariance]).map {
                $0.contiguous().scalars(Float.self)
            }
        }
        let wanted = run(nil)
        let found = try together(2) { run($0) }
        func near(_ a: [Float], _ b: [Float], _ tolerance: Float) -> Bool {
            a.count == b.count && zip(a, b).allSatisfy { abs($0 - $1) <= tolerance * max(1, abs($1)) }
        }
        #expect(wanted.count == 7)
        for part in 0..<3 { #expect(near(found[0][part] + found[1][part], wanted[part], 1e-4)) }
        for part in 3..<7 { #expect(near(found[0][part], wanted[part], 1e-4) && found[0][part] == found[1][part]) }
    }

    @Test func aLostProcessIsAnError() throws {
        let port = try LaunchEnvironment.freePort()
        let errors = try parallelMap(2, threads: 2) { rank -> String? in
            let group = try ProcessGroup(Self.place(rank, of: 2, port: port), patience: 60)
            _ = try withTorchErrors { group.mean(1) }
            if rank == 1 { return nil }
            let error = #expect(throws: TorchError.self) { try withTorchErrors { group.mean(1) } }
            return error?.message
        }
        #expect(errors[0]?.contains("/gloo/") == true)
    }

    @Test func whoDoesNotComeIsToldOf() throws {
        let port = try LaunchEnvironment.freePort()
        let error = #expect(throws: UserError.self) {
            _ = try ProcessGroup(Self.place(0, of: 2, port: port), patience: 1)
        }
        #expect(
            error?.message
                == "process 0 of 2 did not find all others at 127.0.0.1:\(port) within 1 seconds (1 came); start all "
                + "of them, with a port that is free and open")
    }

    /// A process that has stopped keeps its connections: only its silence tells.
    @Test func silenceIsNoticed() throws {
        let port = try LaunchEnvironment.freePort()
        let lines = try parallelMap(2, threads: 2) { rank -> String? in
            let place = Self.place(rank, of: 2, port: port)
            let group = try ProcessGroup(place, patience: 60)
            let channel = DispatchSemaphore(value: 0)
            nonisolated(unsafe) var line: String?
            if rank == 0 {
                let heartbeat = try Heartbeat(place, patience: 2) {
                    line = $0
                    channel.signal()
                }
                #expect(channel.wait(timeout: .now() + 30) == .success)
                heartbeat.stop()
            } else {
                // Beats for a while, then no more.
                Thread.sleep(forTimeInterval: 4)
            }
            _ = group.rank
            return line
        }
        #expect(lines[0] == "process 1 gives no sign of life for 2 seconds")
    }

    @Test func whoLeavesIsNotMissed() throws {
        let port = try LaunchEnvironment.freePort()
        let lines = try parallelMap(2, threads: 2) { rank -> [String] in
            let place = Self.place(rank, of: 2, port: port)
            let group = try ProcessGroup(place, patience: 60)
            let lost = Lines()
            let heartbeat = try Heartbeat(place, patience: 2) { lost.add($0) }
            if rank == 0 { Thread.sleep(forTimeInterval: 4) }
            heartbeat.stop()
            _ = group.rank
            return lost.all
        }
        #expect(lines.joined().isEmpty)
    }
}

/// Lines that come from other threads.
private final class Lines: @unchecked Sendable {  // guarded by the lock
    private let lock = NSLock()
    private var lines: [String] = []
    var all: [String] { lock.withLock { lines } }
    func add(_ line: String) { lock.withLock { lines.append(line) } }
}
