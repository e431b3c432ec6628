import Foundation
import Testing
import Torch

@testable import Diffusion

/// The cache of the Hugging Face hub as `huggingface_hub` leaves it behind.
final class HubCacheTests {
    private let root = FileManager.default.temporaryDirectory.appendingPathComponent("hub-\(UUID().uuidString)").path
    private let commit = String(repeating: "0123456789", count: 4)
    private var repository: String { "\(root)/models--org--tiny.sd" }
    private var cache: HubCache { HubCache(root: root) }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    private func write(_ text: String, _ path: String) throws {
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    /// The fixture `sd1` as a snapshot: every file a relative link to a blob.
    private func makeSnapshot() throws {
        let source = try fixture("sd1")
        let snapshot = "\(repository)/snapshots/\(commit)"
        try FileManager.default.createDirectory(atPath: "\(repository)/blobs", withIntermediateDirectories: true)
        for (number, name) in try FileManager.default.subpathsOfDirectory(atPath: source).sorted().enumerated() {
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: "\(source)/\(name)", isDirectory: &isFolder)
            if isFolder.boolValue {
                try FileManager.default.createDirectory(
                    atPath: "\(snapshot)/\(name)", withIntermediateDirectories: true)
                continue
            }
            let up = String(repeating: "../", count: name.split(separator: "/").count + 1)
            try FileManager.default.createDirectory(
                atPath: ("\(snapshot)/\(name)" as NSString).deletingLastPathComponent, withIntermediateDirectories: true
            )
            try FileManager.default.copyItem(atPath: "\(source)/\(name)", toPath: "\(repository)/blobs/\(number)")
            try FileManager.default.createSymbolicLink(
                atPath: "\(snapshot)/\(name)", withDestinationPath: "\(up)blobs/\(number)")
        }
        try write(commit + "\n", "\(repository)/refs/main")
        try write(commit, "\(repository)/refs/refs/pr/1")
    }

    private func refusal(_ name: String) -> String {
        do {
            return try "found: " + ModelLocation(name, cache: cache).path
        } catch {
            return "\(error)".replacingOccurrences(of: root, with: "ROOT")
        }
    }

    @Test func resolvesBranchesPullRequestsAndCommits() throws {
        try makeSnapshot()
        for name in ["org/tiny.sd", "org/tiny.sd@main", "org/tiny.sd@refs/pr/1", "org/tiny.sd@\(commit)"] {
            #expect(try ModelLocation(name, cache: cache).path == "\(repository)/snapshots/\(commit)")
        }
        let folder = try ModelLocation("org/tiny.sd", cache: cache).path
        let image = try LatentDiffusionModel(path: folder).textToImage(["art"], seeds: [0])
        let expected = try LatentDiffusionModel(path: fixture("sd1")).textToImage(["art"], seeds: [0])
        #expect(relativeError(image, expected) == 0)
        // A folder wins over an id.
        #expect(try ModelLocation(fixture("sd1"), cache: cache).path == fixture("sd1"))
    }

    @Test func saysWhatToFetch() throws {
        #expect(
            refusal("org/other") == "org/other: not in the Hugging Face cache (ROOT); fetch it with "
                + "'domainfusion ldm download org/other'")
        try makeSnapshot()
        #expect(refusal("org/tiny.sd@v2").hasSuffix("fetch it with 'domainfusion ldm download org/tiny.sd@v2'"))
        let unknown = String(repeating: "a", count: 40)
        #expect(
            refusal("org/tiny.sd@\(unknown)") == "org/tiny.sd@\(unknown): commit \(unknown) is not in the Hugging Face "
                + "cache (ROOT); fetch it with 'domainfusion ldm download org/tiny.sd@\(unknown)'")
        try write("main", "\(repository)/refs/main")
        #expect(refusal("org/tiny.sd").hasPrefix("ROOT/models--org--tiny.sd/refs/main: names no commit"))
        for name in [
            "nowhere", "/no/where", "a/b/c", "../x/y", "org/", "Models/x", "org/na--me", "org/name@",
            "org/name@../../x",
        ] {
            #expect(refusal(name).hasPrefix("\(name): no such model"), "\(refusal(name))")
        }
    }

    @Test func namesMissingParts() throws {
        try makeSnapshot()
        let location = try ModelLocation("org/tiny.sd", cache: cache)
        #expect(
            "\(location.missing("unet"))" == "org/tiny.sd: unet is not in the Hugging Face cache; fetch it with "
                + "'domainfusion ldm download org/tiny.sd'")
        try write("", "\(repository)/.no_exist/\(commit)/unet/config.json")
        #expect("\(location.missing("unet"))".hasPrefix("org/tiny.sd: has no unet"))
    }

    @Test func findsTheCacheAsTheReferenceDoes() {
        func root(_ environment: [String: String]) -> String {
            HubCache(environment: environment.merging(["HOME": "/home/me"]) { old, _ in old }).root
        }
        #expect(root([:]) == "/home/me/.cache/huggingface/hub")
        #expect(root(["XDG_CACHE_HOME": "/x"]) == "/x/huggingface/hub")
        #expect(root(["XDG_CACHE_HOME": "/x", "HF_HOME": "~/hf"]) == "/home/me/hf/hub")
        #expect(root(["HF_HOME": "/h", "HUGGINGFACE_HUB_CACHE": "/old"]) == "/old")
        #expect(root(["HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "$HOME/new"]) == "/home/me/new")
    }
}
