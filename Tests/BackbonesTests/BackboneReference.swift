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

    let square: [Float]
    let odd: [Float]
    let featureCount: Int
    let features: [Float]
    let keys: Int
    let parameters: Int
    let training: Training?

    static let all: [String: BackboneReference] = {
        guard let url = Bundle.module.url(forResource: "backbones", withExtension: "json", subdirectory: "Fixtures"),
            let data = try? Data(contentsOf: url)
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
        return (try? decoder.decode([String: BackboneReference].self, from: data)) ?? [:]
    }()

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

    /// `scale · u + offset`, computed in double precision.
    static func noise(_ key: String, _ shape: [Int], scale: Double = 1, offset: Double = 0) -> Tensor {
        let tensor = Tensor.empty(shape)
        let start = crc32(key) &* 40503
        tensor.withUnsafeMutableBytes { bytes in
            let values = bytes.bindMemory(to: Float.self)
            var index = 0
            var state = start
            while index < values.count {
                let u = Double(state & 0xffff_ffff) / 4_294_967_296 - 0.5
                values[index] = Float(scale * u + offset)
                state &+= 2_654_435_761
                index += 1
            }
        }
        return tensor
    }

    static func images(_ name: String, _ shape: Int...) -> Tensor { noise(name, shape, scale: 4) }

    static func weights(like store: ParameterStore) -> StateDict {
        var state = StateDict()
        for entry in store.entries {
            let (key, shape) = (entry.name, entry.tensor.shape)
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
