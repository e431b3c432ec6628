import Foundations
import Testing
import Torch

@Suite struct TorchErrorTests {
    private let a = Tensor.zeros([2, 3])

    @Test func theFirstFailureIsThrown() {
        let error = #expect(throws: TorchError.self) {
            try withTorchErrors {
                let broken = a + Tensor.zeros([4])
                return broken.matmul(a).reshaped(7, 7).sum()
            }
        }
        #expect(
            error?.message.hasPrefix("aten::add: The size of tensor a (3) must match the size of tensor b (4)") == true)
        #expect(error?.message.contains("\n") == false)
        #expect(error?.isOutOfMemory == false)
        #expect((a + 1).sum().item() == 6)
    }

    @Test func operatorsWithSeveralResultsFailToo() {
        #expect(throws: TorchError.self) { try withTorchErrors { a.split([5, 5])[1] } }
        #expect(throws: TorchError.self) { try withTorchErrors { a.copy_(.zeros([7])) } }
        #expect(throws: TorchError.self) { try withTorchErrors { a.size(5) } }
    }

    @Test func anInnerScopeKeepsItsFailure() throws {
        let result = try withTorchErrors {
            #expect(throws: TorchError.self) { try withTorchErrors { a.matmul(a) } }
            return a.sum()
        }
        #expect(result.item() == 0)
    }

    @Test func aScopeWithoutFailureReturns() throws {
        #expect(try withTorchErrors { (a + 1).sum().item() } == 6)
    }

    @Test func libtorchsFailureComesBeforeTheBodysError() {
        struct Stop: Error {}
        #expect(throws: Stop.self) { try withTorchErrors { throw Stop() } }
        #expect(throws: TorchError.self) {
            try withTorchErrors {
                _ = a.matmul(a)
                throw Stop()
            }
        }
    }

    @Test func aLackOfMemoryIsKnown() {
        let error = #expect(throws: TorchError.self) { try withTorchErrors { Tensor.zeros([1 << 50]) } }
        #expect(error?.isOutOfMemory == true)
    }

    @Test func anUnknownOperatorIsNamed() {
        let error = #expect(throws: TorchError.self) { try withTorchErrors { Operator("aten::no_such_operator") } }
        #expect(error?.message.contains("has no operator aten::no_such_operator") == true)
    }
}

@Suite struct DeviceTests {
    @Test func parsesNames() throws {
        #expect(try Device(parsing: "cpu") == .cpu)
        #expect(try Device(parsing: "auto") == .best)
        #expect(Device(.cuda, index: 1).description == "cuda:1")
        #expect(Device.cpu.description == "cpu")
    }

    @Test(arguments: ["tpu", "", "CPU", ":1", "cpu:1", "cpu:x", "cuda:99", "cuda:-1", "mps:7"])
    func refusesOthersInOneLine(_ name: String) {
        let error = #expect(throws: UserError.self) { try Device(parsing: name) }
        #expect(error?.message.contains("device '\(name)'") == true)
        #expect(error?.message.contains("\n") == false)
    }

    @Test func aMissingDeviceIsAnErrorOfTheTensorToo() {
        let none = Device(.cuda, index: 99)
        #expect(throws: TorchError.self) { try withTorchErrors { Tensor.zeros([1], device: none) } }
    }
}
