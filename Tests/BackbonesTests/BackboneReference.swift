import Foundation
import Testing
import Torch

@testable import Backbones

/// What scripts/fixtures/backbones.py found for one backbone.
struct BackboneReference: Decodable {
    struct Training: Decodable {
        let loss: Double
        let gradientNorms: [String: Double]
        let gradientSums: [String: Double]
        let running: [String: Double]
    }

    struct Layers: Decodable {
        let count: Int
        let checksum: UInt64
    }

    let square: [Float]
    let odd: [Float]
    let featureCount: Int
    let features: [Float]
    let keys: Int
    let parameters: Int
    let layers: Layers
    let training: Training?

    /// What a network of torchvision's computes from `square`, by its name.
    struct Output: Decodable {
        let square: [Float]
    }

    static let all = read(BackboneReference.self) { !$0.hasPrefix("torchvision ") }
    static let torchvision = read(Output.self) { $0.hasPrefix("torchvision ") }

    private static func read<Entry: Decodable>(_ type: Entry.Type, where isWanted: (String) -> Bool) -> [String: Entry]
    {
        guard let url = Bundle.module.url(forResource: "backbones", withExtension: "json", subdirectory: "Fixtures"),
            let data = try? Data(contentsOf: url),
            let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
            let wanted = try? JSONSerialization.data(withJSONObject: object.filter { isWanted($0.key) })
        else { return [:] }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .custom { path in
            // Only our own names: the keys of tensors have underscores, too.
            let name = path[path.count - 1].stringValue
            let ours = [
                "feature_count": "featureCount", "gradient_norms": "gradientNorms", "gradient_sums": "gradientSums",
            ]
            return Name(stringValue: ours[name] ?? name)
        }
        return (try? decoder.decode([String: Entry].self, from: wanted)) ?? [:]
    }

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

/// The tensors that scripts/fixtures/backbones.py makes by a formula.
enum Formula {
    static func crc32(_ text: String) -> UInt64 {
        var crc: UInt32 = 0xffff_ffff
        for byte in text.utf8 {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc >> 1 ^ (crc & 1 == 1 ? 0xedb8_8320 : 0) }
        }
        return UInt64(~crc)
    }

    private static let multiply = Operator("aten::mul", "Scalar")
    private static let add = Operator("aten::add", "Scalar")
    private static let remainder = Operator("aten::remainder", "Scalar")

    /// `scale · u + offset`, computed in double precision.
    static func noise(_ key: String, _ shape: [Int], scale: Double = 1, offset: Double = 0) -> Tensor {
        let index = Tensor.arange(to: Double(shape.reduce(1, *)), dtype: .int64)
        let spread = multiply(.tensor(index), .int(2_654_435_761))
        let shifted = add(.tensor(spread), .int(Int(crc32(key) &* 40503)), .int(1))
        let bits = remainder(.tensor(shifted), .int(1 << 32))
        let u = bits.to(dtype: .float64) / 4_294_967_296 - 0.5
        return (u * scale + offset).to(dtype: .float32).reshaped(shape)
    }

    static func images(_ name: String, _ shape: Int...) -> Tensor { noise(name, shape, scale: 4) }

    /// - Parameter name: what a key is called in the checkpoint; an `x.layer_scale` has a shape of its own.
    static func weights(like store: ParameterStore, name: (String) -> String = { $0 }) -> StateDict {
        var state = StateDict()
        for entry in store.entries {
            let key = name(entry.name)
            let shape = entry.tensor.shape + (key.hasSuffix("layer_scale") ? [1, 1] : [])
            if key.hasSuffix("num_batches_tracked") {
                state[key] = Tensor(0)
            } else if key.hasSuffix("running_var") {
                state[key] = noise(key, shape, offset: 1)
            } else if key.hasSuffix("running_mean") || key.hasSuffix("bias") {
                state[key] = noise(key, shape, scale: 0.4)
            } else if shape.count == 1 {
                state[key] = noise(key, shape, scale: 0.4, offset: 1)
            } else {
                let fanIn = shape.dropFirst().reduce(1, *)
                state[key] = noise(key, shape, scale: (24 / Double(fanIn)).squareRoot())
            }
        }
        return state
    }

    static let classCount = 7

    /// A classifier with the formula's weights.
    static func classifier(_ name: String, options: Classifier.Options = .init()) throws -> Classifier {
        let classifier = try Classifier(Backbones.named(name), classCount: classCount, options: options, seed: 0)
        try classifier.store.load(weights(like: classifier.store), name: "formula")
        return classifier
    }
}

/// Largest difference, as a share of the largest reference value.
func relativeError(_ tensor: Tensor, _ reference: [Float]) -> Double {
    let values: [Float] = tensor.scalars()
    guard values.count == reference.count, let top = reference.map(abs).max(), top > 0 else { return .infinity }
    let worst = zip(values, reference).map { $0.isFinite ? abs($0 - $1) : .infinity }.max() ?? .infinity
    return Double(worst / top)
}
