import Diffusion
import Foundation

@testable import Hub

/// A model on the server, and a cache that it is fetched into.
final class ServedModel: Sendable {
    struct Request: Decodable {
        let method: String
        let path: String
        let token: String?
        let range: String?
    }

    /// The file that most tests look at: 2460 bytes or so, kept at the other host.
    static let unet = "unet/diffusion_pytorch_model.safetensors"

    let id: HubCache.ModelID
    let folder: String
    let cache: HubCache
    private let server: HubServer

    /// - Parameter name: of the model `org/NAME`, of its own in every test.
    init(_ name: String) throws {
        server = try HubServer.shared.get()
        guard let id = HubCache.ModelID("org/\(name)") else { throw CocoaError(.formatting) }
        self.id = id
        folder = "\(server.folder)/org/\(name)"
        cache = HubCache(root: "\(server.folder)/cache-\(name)")
        try FileManager.default.createDirectory(atPath: "\(server.folder)/org", withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: "\(Self.fixtures)/repository", toPath: folder)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder)
        try? FileManager.default.removeItem(atPath: cache.root)
    }

    static let fixtures = Bundle.module.resourcePath.map { "\($0)/Fixtures" } ?? "Fixtures"

    func id(_ revision: String) throws -> HubCache.ModelID {
        guard let id = HubCache.ModelID("\(self.id.name)@\(revision)") else { throw CocoaError(.formatting) }
        return id
    }

    func faults(_ json: String) throws { try write("[\(json)]", ".faults") }

    func write(_ text: String, _ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: ("\(folder)/\(path)" as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(path)"))
    }

    func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: "\(folder)/\(path)") }

    func download(token: String? = nil, offline: Bool = false) throws -> HubDownload {
        var environment = ["HF_ENDPOINT": "http://127.0.0.1:\(server.port)/", "HOME": server.folder]
        environment["HF_TOKEN"] = token
        environment["HF_HUB_OFFLINE"] = offline ? "1" : nil
        var download = try HubDownload(settings: HubSettings(environment: environment), cache: cache)
        download.retries.wait = 0.005
        return download
    }

    /// What fetching the model ends with, the server's address and the cache's path replaced.
    func refusal(_ id: HubCache.ModelID? = nil, _ download: HubDownload? = nil) throws -> String {
        do {
            return try "fetched: " + (download ?? self.download()).fetch(id ?? self.id).folder
        } catch {
            return "\(error)".replacing("http://127.0.0.1:\(server.port)", with: "HUB").replacing(
                cache.root, with: "CACHE")
        }
    }

    /// The requests until now, whose path has a part.
    func requests(_ part: String = "/") throws -> [Request] {
        let text = FileManager.default.contents(atPath: "\(folder)/.requests") ?? Data()
        return try text.split(separator: 10).map { try JSONDecoder().decode(Request.self, from: $0) }
            .filter { $0.path.contains(part) }
    }

    /// Whether a file of a snapshot has the bytes of the served one.
    func isWhole(_ snapshot: HubCache.Snapshot, _ path: String) -> Bool {
        let found = FileManager.default.contents(atPath: "\(snapshot.folder)/\(path)")
        return found != nil && found == FileManager.default.contents(atPath: "\(folder)/\(path)")
    }

    /// The blobs that are not finished.
    var incomplete: [String] {
        let blobs = "\(cache.root)/\(HubCache.folderName(id))/blobs"
        return ((try? FileManager.default.contentsOfDirectory(atPath: blobs)) ?? []).filter {
            $0.hasSuffix(".incomplete")
        }
    }
}
