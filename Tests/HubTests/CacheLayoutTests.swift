import Crypto
import Diffusion
import Foundation
import Testing

@testable import Hub

/// What lies in the cache after a download, against what `huggingface_hub` leaves there.
struct CacheLayoutTests {
    private struct Entry: Decodable, Equatable {
        var link: String?
        var size: Int?
        var sha256: String?
    }

    /// As `scripts/fixtures/hub_cache.py` takes it down: nil for what is there with other contents.
    private func tree(_ root: String) throws -> [String: Entry?] {
        var entries: [String: Entry?] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: root) {
            let path = "\(root)/\(name)"
            if let link = try? FileManager.default.destinationOfSymbolicLink(atPath: path) {
                entries[name] = Entry(link: link)
                continue
            }
            var isFolder: ObjCBool = false
            _ = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
            if isFolder.boolValue { continue }
            if name == "CACHEDIR.TAG" || name.hasPrefix(".locks/") {
                entries[name] = .some(nil)
            } else {
                let data = FileManager.default.contents(atPath: path) ?? Data()
                let digest = SHA256.hash(data: data).map { String(format: "%02x", $0) }.joined()
                entries[name] = Entry(size: data.count, sha256: digest)
            }
        }
        return entries
    }

    @Test func equalsTheReferences() throws {
        let model = try ServedModel("tiny")
        let snapshot = try model.download().fetch(model.id)
        #expect(try model.download().fetch(model.id("refs/pr/1")).folder == snapshot.folder)
        let data = try #require(FileManager.default.contents(atPath: "\(ServedModel.fixtures)/cache.json"))
        let expected = try JSONDecoder().decode([String: Entry?].self, from: data)
        let found = try tree(model.cache.root)
        #expect(found.keys.sorted() == expected.keys.sorted())
        for (name, entry) in expected { #expect(found[name] == entry, "\(name)") }
        #expect(try model.cache.snapshot(model.id) == snapshot)
        #expect(ModelFiles.isComplete(folder: snapshot.folder))
    }

    @Test func revisions() throws {
        let model = try ServedModel("revisions")
        let main = try model.download().fetch(model.id)
        #expect(try model.download().fetch(model.id("v1")).commit == main.commit)
        let count = try model.requests().count
        // A commit that is whole is not asked about.
        #expect(try model.download().fetch(model.id(main.commit)).folder == main.folder)
        #expect(try model.requests().count == count)
        // A branch is, and moves on; the old snapshot stays.
        try model.write("{\"changed\": true}", "unet/config.json")
        let moved = try model.download().fetch(model.id)
        #expect(moved.commit != main.commit && model.isWhole(moved, "unet/config.json"))
        #expect(
            try model.requests("/resolve/").suffix(1).map(\.path) == [
                "/org/revisions/resolve/\(moved.commit)/unet/config.json"
            ])
        #expect(try model.cache.snapshot(model.id("v1")).commit == main.commit)
        #expect(FileManager.default.fileExists(atPath: "\(main.folder)/unet/config.json"))
    }

    @Test func nothingIsFetchedTwice() throws {
        let model = try ServedModel("cached")
        let first = try model.download().fetch(model.id)
        let count = try model.requests().count
        #expect(try model.download().fetch(model.id) == first)
        let again = try model.requests().dropFirst(count).map(\.path)
        #expect(!again.isEmpty && again.allSatisfy { $0.hasPrefix("/api/models/") }, "\(again)")
        // A link that was lost is made again from its blob; a file that an earlier version had is shared.
        try FileManager.default.removeItem(atPath: "\(first.folder)/unet/config.json")
        _ = try model.download().fetch(model.id)
        #expect(model.isWhole(first, "unet/config.json"))
        #expect(try model.requests().dropFirst(count).allSatisfy { $0.path.hasPrefix("/api/models/") })
    }

    @Test func oneFormOfTheWeights() throws {
        let model = try ServedModel("variant")
        var download = try model.download()
        download.precision = .float16
        download.needsVariant = true
        let snapshot = try download.fetch(model.id)
        let names = try FileManager.default.subpathsOfDirectory(atPath: snapshot.folder).filter { $0.contains(".") }
        #expect(
            names.filter { $0.hasSuffix(".safetensors") }.sorted() == [
                "text_encoder/model.fp16.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
                "vae/diffusion_pytorch_model.fp16.safetensors",
            ])
        #expect(names.allSatisfy { name in ![".bin", ".ckpt", ".msgpack"].contains { name.hasSuffix($0) } })
        // Whichever form is there, the model can be read.
        #expect(model.cache.completeSnapshot(model.id) == snapshot)

        try model.remove("unet/diffusion_pytorch_model.fp16.safetensors")
        let mixed = try download.fetch(model.id)
        #expect(model.isWhole(mixed, ServedModel.unet) && model.isWhole(mixed, "text_encoder/model.fp16.safetensors"))

        download.precision = .bfloat16
        #expect(
            try model.refusal(nil, download) == "org/variant: has no weights of the variant bf16; leave --variant out")
    }

    @Test func shards() throws {
        let model = try ServedModel("shards")
        try model.remove(ServedModel.unet)
        let names = (1...2).map { "diffusion_pytorch_model-0000\($0)-of-00002.safetensors" }
        try model.write(
            "{\"weight_map\": {\"a\": \"\(names[0])\", \"b\": \"\(names[1])\", \"c\": \"\(names[1])\"}}",
            "unet/diffusion_pytorch_model.safetensors.index.json")
        for name in names { try model.write(name, "unet/\(name)") }
        let snapshot = try model.download().fetch(model.id)
        for name in names { #expect(model.isWhole(snapshot, "unet/\(name)")) }
        #expect(ModelFiles.isComplete(folder: snapshot.folder))

        try model.remove("unet/\(names[0])")
        #expect(try model.refusal().contains("unet/\(names[0]), which its index names, is missing in the repository"))
        try model.write(
            "{\"weight_map\": {\"a\": \"../../../../secret.safetensors\"}}",
            "unet/diffusion_pytorch_model.safetensors.index.json")
        #expect(try model.refusal().contains("refuses to open \"../../../../secret"))
    }

    @Test func completeness() throws {
        let model = try ServedModel("complete")
        let snapshot = try model.download().fetch(model.id)
        for name in ["unet/config.json", ServedModel.unet, "tokenizer/merges.txt", "scheduler/scheduler_config.json"] {
            let path = "\(snapshot.folder)/\(name)"
            let link = try FileManager.default.destinationOfSymbolicLink(atPath: path)
            try FileManager.default.removeItem(atPath: path)
            #expect(model.cache.completeSnapshot(model.id) == nil, "\(name)")
            // A link that leads nowhere is replaced.
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: link + "x")
            #expect(model.cache.completeSnapshot(model.id) == nil, "\(name)")
            #expect(try model.download().fetch(model.id) == model.cache.completeSnapshot(model.id))
        }
    }
}
