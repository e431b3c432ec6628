import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// A copy of a model fixture that a test may damage; gone with the value.
final class ModelCopy {
    let folder: String

    init(_ name: String = "sd1") throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("model-\(UUID().uuidString)").path
        try FileManager.default.copyItem(atPath: fixture(name), toPath: folder)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    static let unet = "unet/diffusion_pytorch_model.safetensors"

    func path(_ name: String) -> String { "\(folder)/\(name)" }

    /// The message with which the model is refused, without the folder's path; one line.
    func refusal(
        _ location: SourceLocation = #_sourceLocation, using use: (LatentDiffusionModel) throws -> Void = { _ in }
    ) -> String {
        var message = "nothing was thrown"
        do {
            try use(LatentDiffusionModel(path: folder))
        } catch {
            message = "\(error)".replacingOccurrences(of: folder + "/", with: "")
        }
        #expect(!message.contains("\n") && message.count < 1000, sourceLocation: location)
        return message
    }

    func edit(_ name: String, _ change: (inout [String: Any]) -> Void) throws {
        let url = URL(fileURLWithPath: path(name))
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any]
        guard var json else { throw CocoaError(.fileReadCorruptFile) }
        change(&json)
        try JSONSerialization.data(withJSONObject: json).write(to: url)
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: path(name)) }

    func state(_ name: String = unet) throws -> StateDict { try StateDict(safetensors: path(name)) }

    /// Changes the tensors of a file.
    func rewrite(_ name: String = unet, _ change: (inout StateDict) throws -> Void) throws {
        var state = try state(name)
        try change(&state)
        try state.write(safetensors: path(name))
    }

    /// Replaces the header of a file, the data staying as it is.
    func replaceHeader(_ name: String = unet, _ change: (inout String) -> Void) throws {
        let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path(name))))
        let length = Int(bytes[0]) | Int(bytes[1]) << 8 | Int(bytes[2]) << 16
        var header = String(decoding: bytes[8..<8 + length], as: UTF8.self)
        change(&header)
        let new = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian, Array.init) + Array(header.utf8)
        try Data(new + bytes[(8 + length)...]).write(to: URL(fileURLWithPath: path(name)))
    }

    /// Spreads the U-Net's weights over two files with an index.
    /// - Parameter variant: `fp16`, or nil.
    func shardUNet(variant: String? = nil, dtype: DType? = nil) throws {
        let state = try state()
        let infix = variant.map { ".\($0)" } ?? ""
        let names = (1...2).map { "diffusion_pytorch_model\(infix)-0000\($0)-of-00002.safetensors" }
        var map: [String: String] = [:]
        for (index, shard) in names.enumerated() {
            let half = state.names.count / 2
            let keys = Set(index == 0 ? state.names.prefix(half) : state.names.dropFirst(half))
            try state.renamed { keys.contains($0) ? $0 : nil }.write(safetensors: path("unet/\(shard)"), dtype: dtype)
            for key in keys { map[key] = shard }
        }
        try writeIndex(map, variant: variant)
        try remove(Self.unet)
    }

    func writeIndex(_ map: [String: String], variant: String? = nil) throws {
        let name = "unet/diffusion_pytorch_model.safetensors.index\(variant.map { ".\($0)" } ?? "").json"
        try JSONSerialization.data(withJSONObject: ["metadata": ["total_size": 1], "weight_map": map])
            .write(to: URL(fileURLWithPath: path(name)))
    }
}
