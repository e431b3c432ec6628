import TestSupport
import Testing
import Torch

/// Foreign memory that says when it goes.
private final class Memory {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 16)
    private let whenFreed: () -> Void

    init(whenFreed: @escaping () -> Void) {
        self.whenFreed = whenFreed
        bytes.initializeMemory(as: Float.self, repeating: 2)
    }

    deinit {
        bytes.deallocate()
        whenFreed()
    }
}

@Suite struct TensorMemoryTests {
    @Test func valuesGoInAndOut() {
        #expect(Tensor([1, 2, 3, 4], shape: [2, 2]).transposed(0, 1).scalars() == [1, 3, 2, 4])
        #expect(Tensor([1.5, 2.5] as [Double]).dtype == .float64)
        #expect(Tensor([UInt8(255)]).scalars(Float.self) == [255])
        #expect(Tensor(Int32(7)).shape == [])
        #expect(Tensor(Int32(7)).item() == 7)
        #expect(Tensor([Float](), shape: [0, 3]).scalars(Float.self) == [])
        #expect(Tensor.ones([2]).description.contains("[1.0, 1.0]"))
    }

    @Test func shapeAndStrides() {
        let tensor = Tensor.zeros([2, 3, 4])
        #expect(tensor.rank == 3)
        #expect(tensor.count == 24)
        #expect(tensor.strides == [12, 4, 1])
        #expect(tensor.size(-1) == 4)
        #expect(!tensor.transposed(0, 1).isContiguous)
    }

    #if os(Linux)
        /// Blocks that glibc gives back to the system are kept where that is asked for, and counted.
        @Test func largeBlocksAreUsedAgain() {
            Machine.keepFreedMemory()
            func address(_ rows: Int) -> UnsafeMutableRawPointer? {
                Tensor.zeros([rows, 1_000_000]).withUnsafeMutableBytes { $0.baseAddress }
            }
            let (addresses, bytes) = Machine.peakMemory { [11, 10, 11].map(address) }
            #expect(addresses[0] != nil && Set(addresses).count == 1)
            #expect(bytes == 44_000_000)
        }
    #endif

    /// What was allocated before is not counted when it is freed.
    @Test func peakMemoryIsOfWhatWasAllocated() {
        var old: Tensor? = Tensor.zeros([1000])
        let peak = Machine.peakMemory {
            old = nil
            return Tensor.zeros([500])
        }.bytes
        #expect(old == nil && peak == 2000)
    }

    @Test func borrowedMemoryLivesAsLongAsAView() {
        var freed = 0
        var view: Tensor?
        do {
            let memory = Memory { freed += 1 }
            let tensor = Tensor(
                borrowing: UnsafeRawBufferPointer(memory.bytes), shape: [4, 4], dtype: .float32, owner: memory)
            view = tensor[1].reshaped(2, 2)
        }
        #expect(freed == 0)
        #expect(view?.sum().item() == 8)
        view = nil
        #expect(freed == 1)
    }

    @Test func borrowedMemoryLivesAsLongAsAGraph() {
        var freed = 0
        let x = Tensor.ones([16])
        x.requiresGrad = true
        var product: Tensor?
        do {
            let memory = Memory { freed += 1 }
            let tensor = Tensor(
                borrowing: UnsafeRawBufferPointer(memory.bytes), shape: [16], dtype: .float32, owner: memory)
            product = (x * tensor).sum()
        }
        #expect(freed == 0)
        product?.backward()
        #expect(x.grad?.sum().item() == 32)
        product = nil
        #expect(freed == 1)
    }

    @Test func operatorsLeakNothing() {
        var freed = 0
        for _ in 0..<100 {
            let memory = Memory { freed += 1 }
            let tensor = Tensor(
                borrowing: UnsafeRawBufferPointer(memory.bytes), shape: [4, 4], dtype: .float32, owner: memory)
            let parts = tensor.split([1, 3])
            let joined = Tensor.concatenated(parts + [tensor])
            tensor.mul_(2)
            _ = try? withTorchErrors { tensor.matmul(.zeros([3])) }
            _ = try? withTorchErrors { Tensor.stacked([tensor, joined]) }
            let weight = Tensor.ones([4])
            weight.requiresGrad = true
            _ = gradients(of: [(joined * weight * tensor[0]).sum()], with: [weight])
            _ = tensor.to(dtype: .float64).scalars(Float.self)
        }
        #expect(freed == 100)
    }

    @Test func trainingTensorsOfAFileLeavesTheFile() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("weights.safetensors")
        var state = StateDict()
        state["weight"] = .ones([4])
        try state.write(safetensors: path)
        let store = try ParameterStore(StateDict(safetensors: path), name: path)
        let weight = store.root.parameter("weight", [4], .zeros)
        store.setRequiresGrad(true)
        weight.sum().backward()
        Optimizer(.sgd(), store.parameters, learningRate: 0.5).step()
        #expect(weight.scalars() == [0.5, 0.5, 0.5, 0.5] as [Float])
        #expect(try StateDict(safetensors: path)["weight"]?.scalars() == [1, 1, 1, 1] as [Float])
    }
}
