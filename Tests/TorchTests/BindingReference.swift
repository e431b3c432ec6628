import Foundation
import Testing
import Torch

/// What scripts/fixtures/binding.py found: groups of named values.
enum BindingReference {
    struct Value: Decodable {
        let shape: [Int]
        let values: [Double]
    }

    static let groups: [String: [String: Value]] = {
        guard let path = try? fixture("binding.json"), let data = FileManager.default.contents(atPath: path),
            let groups = try? JSONDecoder().decode([String: [String: Value]].self, from: data)
        else { return [:] }
        return groups
    }()

    /// Compares computed values with PyTorch's, name by name; both sides must have the same names.
    static func compare(_ group: String, _ computed: [String: () -> Tensor], tolerance: Double = 2e-6) throws {
        let reference = try #require(groups[group])
        #expect(Set(reference.keys) == Set(computed.keys))
        for (name, compute) in computed.sorted(by: { $0.key < $1.key }) {
            let expected = try #require(reference[name])
            let tensor = compute()
            #expect(tensor.shape == expected.shape, "\(group).\(name)")
            let error = distance(tensor, expected.values)
            #expect(error <= tolerance, "\(group).\(name) is \(error) off")
        }
    }

    /// The largest difference, as a share of the largest reference value where that is above 1.
    static func distance(_ tensor: Tensor, _ expected: [Double]) -> Double {
        let values: [Double] = tensor.scalars()
        guard values.count == expected.count else { return .infinity }
        let scale = max(1, expected.map(abs).max() ?? 1)
        return zip(values, expected).map { $0.isFinite ? abs($0 - $1) / scale : .infinity }.max() ?? 0
    }
}

/// PyTorch's `torch.randn(shape, generator=torch.Generator().manual_seed(seed))`.
func randn(_ seed: UInt64, _ shape: Int...) -> Tensor { .randn(shape, generator: Generator(seed: seed)) }

/// The inputs that scripts/fixtures/binding.py uses throughout.
struct BindingInputs {
    let a = randn(1, 3, 4)
    let b = randn(2, 3, 4)
    let row = randn(3, 4)
    let images = randn(4, 2, 4, 6, 5)
    let volume = randn(5, 2, 3, 4)
    let logits = randn(6, 5, 3)
    let labels = Tensor([0, 2, 1, 1, 0])
    let indices = Tensor([2, 0, 2])
    var positive: Tensor { a.abs() + 0.1 }
}
