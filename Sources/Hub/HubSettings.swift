import Diffusion
import Foundation

/// How the hub is reached: what `huggingface_hub` reads in the environment.
public struct HubSettings: Sendable {
    /// The hub's address without a slash at its end: `HF_ENDPOINT`, else `https://huggingface.co`.
    public let endpoint: String
    /// Sent to the endpoint alone: `HF_TOKEN`, else the text of the file `HF_TOKEN_PATH` or `token` in `HF_HOME`.
    public let token: String?
    /// No connection is made: `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`) is 1, on, yes or true.
    public let isOffline: Bool

    /// Reads `HF_ENDPOINT`, `HF_TOKEN` and `HF_HUB_OFFLINE` as `huggingface_hub` does.
    /// - Throws: `ModelError` for an endpoint that is no address, or a token that cannot be one.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        func value(_ name: String) -> String? { environment[name].flatMap { $0.trimmed.isEmpty ? nil : $0.trimmed } }
        var address = value("HF_ENDPOINT") ?? "https://huggingface.co"
        while address.hasSuffix("/") { address.removeLast() }
        guard URLOrigin(address) != nil else {
            throw ModelError(path: "HF_ENDPOINT", "'\(address)' is no address; wanted https://HOST")
        }
        endpoint = address
        isOffline = ["1", "on", "yes", "true"].contains(
            (value("HF_HUB_OFFLINE") ?? value("TRANSFORMERS_OFFLINE") ?? "").lowercased())

        let path = HubCache.tokenPath(environment: environment)
        let variable = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].first { value($0) != nil }
        let text =
            variable.flatMap(value)
            ?? FileManager.default.contents(atPath: path).map { String(decoding: $0.prefix(4096), as: UTF8.self) }
        let found = text?.trimmed ?? ""
        guard found.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
            throw ModelError(
                path: variable ?? path, "not a token: it holds spaces, line breaks or letters that are not ASCII")
        }
        token = found.isEmpty ? nil : found
    }
}
