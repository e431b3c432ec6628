import Foundation
import Testing
import Torch

@Suite struct AutogradTests {
    private func leaf(_ tensor: Tensor) -> Tensor {
        let copy = tensor.cloned()
        copy.requiresGrad = true
        return copy
    }

    @Test func gradientsEqualPyTorchs() throws {
        let inputs = BindingInputs()
        let (x, w) = (leaf(inputs.a), leaf(inputs.b))
        x.matmul(w.transposed(0, 1)).tanh().squared().sum().backward()
        let (backwardX, backwardW) = (try #require(x.grad), try #require(w.grad))
        let weighted = gradients(of: [(x * w).sigmoid()], weights: [inputs.b], with: [x, w])
        let (weightedX, weightedW) = (try #require(weighted[0]), try #require(weighted[1]))
        let first = try #require(gradients(of: [(x.pow(3) * w).sum()], with: [x], createGraph: true)[0])
        let second = try #require(gradients(of: [first.squared().sum()], with: [x])[0])
        try BindingReference.compare(
            "gradients",
            [
                "backwardX": { backwardX }, "backwardW": { backwardW }, "weightedX": { weightedX },
                "weightedW": { weightedW }, "second": { second },
            ])
    }

    @Test func gradientsAccumulateUntilForgotten() {
        let x = leaf(Tensor([1, 2] as [Float]))
        for _ in 0..<2 { (x * 3).sum().backward() }
        #expect(x.grad?.scalars() == [6, 6] as [Float])
        x.grad = nil
        #expect(x.grad == nil)
        (x * x).backward(gradient: Tensor([1, 10] as [Float]))
        #expect(x.grad?.scalars() == [2, 40] as [Float])
    }

    @Test func anUnusedInputHasNoGradient() {
        let (x, y) = (leaf(.ones([2])), leaf(.ones([2])))
        let found = gradients(of: [(x * 2).sum()], with: [x, y])
        #expect(found[0]?.scalars() == [2, 2] as [Float])
        #expect(found[1] == nil)
        #expect(x.grad == nil)
    }

    @Test func aGradientsOwnGraphKeepsTheOthers() throws {
        // y = e^(2x); the loss y + (∂y/∂x)² has the gradient 2y + 16y², which goes through both graphs.
        let x = leaf(.full([], 0.3))
        let y = (x * 2).exp()
        let slope = try #require(gradients(of: [y], with: [x], createGraph: true)[0])
        (y + slope.squared()).backward()
        let value = exp(0.6)
        let expected = 2 * value + 16 * value * value
        #expect(abs(try #require(x.grad).item() - expected) < 1e-4 * expected)
    }

    @Test func theGraphLivesAsLongAsAsked() throws {
        let x = leaf(Tensor([2] as [Float]))
        let y = (x * x).sum()
        y.backward(retainGraph: true)
        y.backward()
        #expect(x.grad?.scalars() == [8] as [Float])
        let error = #expect(throws: TorchError.self) { try withTorchErrors { y.backward() } }
        #expect(error?.message.contains("second time") == true)
    }

    @Test func scopesTurnRecordingOffAndOn() {
        let x = leaf(.ones([2]))
        #expect((x * 2).requiresGrad)
        noGrad {
            #expect(!(x * 2).requiresGrad)
            withGrad { #expect((x * 2).requiresGrad) }
            #expect(!(x * 2).requiresGrad)
        }
        #expect(!inferenceMode { x * 2 }.requiresGrad)
        #expect((x * 2).requiresGrad)
        #expect(!x.detached().requiresGrad)
    }

    @Test func ordinaryModeMakesTensorsThatMayEnterAGraph() throws {
        let x = leaf(.ones([2]))
        let (kept, bound) = inferenceMode { (ordinaryMode { Tensor.ones([2]) * 3 }, Tensor.ones([2]) * 3) }
        #expect(!ordinaryMode { x * 2 }.requiresGrad)
        (x * kept).sum().backward()
        #expect(x.grad?.scalars() == [3, 3] as [Float])
        #expect(throws: TorchError.self) { try withTorchErrors { (x * bound).sum().backward() } }
        #expect(!inferenceMode { x * 2 }.requiresGrad)
    }

    @Test func aScopeEndsWithAnErrorToo() {
        struct Stop: Error {}
        let x = leaf(.ones([2]))
        #expect(throws: Stop.self) { try noGrad { throw Stop() } }
        #expect(throws: Stop.self) { try inferenceMode { throw Stop() } }
        #expect((x * 2).requiresGrad)
    }

    @Test func autocastNests() {
        let x = Tensor.ones([2, 2])
        func type() -> DType { x.matmul(x).dtype }
        autocast(.cpu, dtype: .bfloat16) {
            #expect(type() == .bfloat16)
            autocast(.cpu, dtype: .float16) { #expect(type() == .float16) }
            #expect(type() == .bfloat16)
        }
        #expect(type() == .float32)
    }

    @Test func detachedSharesMemory() {
        let x = leaf(.ones([2]))
        x.detached().fill_(5)
        #expect(x.scalars() == [5, 5] as [Float])
    }
}
