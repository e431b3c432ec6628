import Diffusion
import DomainGeneralization
import Foundation
import Foundations

extension LatentDiffusionModel {
    /// A hash of all that the model's images depend on: configurations and weights, by their files' contents or, after a
    /// change in memory, as they are there; and the precision and the images' size where they are not float32 and the model's
    /// own.
    /// - Throws: `FileFormatError` for a file that cannot be read.
    public func fingerprint() throws -> String {
        let parts = ["unet", "vae", "text_encoder", "scheduler", "tokenizer"]
        var hashes: [JSONValue] = []
        if isSingleFile { hashes.append(.string(try SHA256Sum.of(file: path))) }
        for part in parts {
            let other = part == "vae" ? vaeFolder : nil
            guard let folder = other ?? settingsFolder.map({ "\($0)/\(part)" }),
                other != nil || !isSingleFile || Files.isFolder(folder)
            else { continue }
            for name in try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            where [".json", ".safetensors", ".bin", ".txt"].contains(where: name.hasSuffix) {
                hashes.append(.string("\(part)/\(name) \(try SHA256Sum.of(file: "\(folder)/\(name)"))"))
            }
        }
        if isChanged {
            let stores = [unet.store, textEncoder.store].flatMap { [$0, $0.adapters?.store].compactMap { $0 } }
            for entry in stores.flatMap(\.entries) {
                let values = entry.tensor.scalars(Float.self)
                hashes.append(.string("\(entry.name) \(values.withUnsafeBytes { SHA256Sum.of($0) })"))
            }
        }
        if !replacedSettings.isEmpty { hashes.append(.string("without \(replacedSettings.joined(separator: ", "))")) }
        if isConsistencyModel { hashes.append(.string("all steps of image to image")) }
        if dtype != .float32 { hashes.append(.string("\(dtype)")) }
        if vae.store.dtype != dtype { hashes.append(.string("vae \(vae.store.dtype)")) }
        if imageSize != unet.config.sampleSize * vae.downsampling { hashes.append(.string("\(imageSize) pixels")) }
        return SHA256Sum.of(JSONValue.array(hashes).text)
    }
}
