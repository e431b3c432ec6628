import DomainFusion
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

/// The path of a file or folder under Tests/DomainFusionTests/Fixtures.
func fixture(_ name: String) throws -> String {
    let folder = try #require(Bundle.module.resourceURL)
    return folder.appendingPathComponent("Fixtures").appendingPathComponent(name).path
}

/// Runs `body` with a folder of its own, which is removed at the end.
func withTemporaryFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
    let path = NSTemporaryDirectory() + "domainfusion-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

/// All files under a folder with their bytes, by their path in it.
func files(in folder: String) throws -> [String: Data] {
    var result: [String: Data] = [:]
    for path in try FileManager.default.subpathsOfDirectory(atPath: folder) {
        if let data = FileManager.default.contents(atPath: "\(folder)/\(path)") { result[path] = data }
    }
    return result
}

extension ContentStore {
    /// Keeps tensors without counting them.
    @discardableResult
    func put(_ tensors: StateDict, for key: StoreKey) throws -> StateDict {
        var ledger = Ledger()
        return try put(tensors, for: key, ledger: &ledger)
    }

    /// Keeps an image without counting it.
    @discardableResult
    func put(_ image: RGBImage, notes: JSONValue = .null, for key: StoreKey) throws -> StoredImage {
        var ledger = Ledger()
        return try put(image, notes: notes, for: key, ledger: &ledger)
    }
}
