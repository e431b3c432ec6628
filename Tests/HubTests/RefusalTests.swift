import Diffusion
import Foundation
import Testing

@testable import Hub

/// What the hub refuses, what is refused of the hub, and who gets the token.
struct RefusalTests {
    @Test func unknownModels() throws {
        let model = try ServedModel("known")
        let nobody = try #require(HubCache.ModelID("org/nobody"))
        #expect(
            try model.refusal(nobody) == "org/nobody: no such model at HUB, or a private one: correct the name, or set "
                + "HF_TOKEN to a token that may read it")
        #expect(
            try model.refusal(nobody, model.download(token: "hf_x")) == "org/nobody: no such model at HUB, or no such "
                + "revision; correct the name")
        #expect(
            try model.refusal(model.id("v9"))
                == "org/known@v9: no branch, tag or commit 'v9'; see HUB/org/known/tree/main")
        let commit = String(repeating: "ab", count: 20)
        #expect(try model.refusal(model.id(commit)).contains("no branch, tag or commit '\(commit)'"))
    }

    @Test func licencesAndTokens() throws {
        let model = try ServedModel("gated")
        let gated = #""headers": {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."}"#
        try model.faults(#"{"match": "/resolve/", "do": "status", "status": 401, \#(gated)}"#)
        #expect(
            try model.refusal()
                == "org/gated: its licence must be accepted: log in at HUB/org/gated, accept it, and set "
                + "HF_TOKEN to a token of your account")
        try model.faults(#"{"match": "/resolve/", "do": "status", "status": 403, \#(gated)}"#)
        #expect(
            try model.refusal(nil, model.download(token: "hf_x"))
                == "org/gated: your token may not read it: accept its "
                + "licence at HUB/org/gated with the account that the token is of")
        try model.faults(#"{"do": "status", "status": 401, "headers": {"X-Error-Message": "Invalid credentials"}}"#)
        #expect(
            try model.refusal(nil, model.download(token: "hf_x")) == "org/gated: the token is refused (Invalid "
                + "credentials): correct HF_TOKEN, or the name of the model")
        try model.faults(#"{"do": "status", "status": 403}"#)
        #expect(try model.refusal().hasPrefix("org/gated: access is refused: set HF_TOKEN"))
        // None of these is asked for twice.
        #expect(try model.requests("/resolve/").count == 2)
        #expect(model.cache.completeSnapshot(model.id) == nil)
    }

    @Test func missingFiles() throws {
        let model = try ServedModel("missing")
        try model.faults(
            #"{"match": "merges", "do": "status", "status": 404, "headers": {"X-Error-Code": "EntryNotFound"}}"#)
        #expect(
            try model.refusal() == "org/missing: tokenizer/merges.txt is missing at this revision; see "
                + "HUB/org/missing/tree/main")
        try model.remove("tokenizer/merges.txt")
        try model.remove("tokenizer/tokenizer.json")
        #expect(
            try model.refusal()
                == "org/missing: no Stable Diffusion in diffusers layout: it has no tokenizer/merges.txt; "
                + "name another")
    }

    @Test func modelsThatCannotBeRead() throws {
        let model = try ServedModel("unreadable")
        try model.remove("text_encoder/model.safetensors")
        try model.remove("text_encoder/model.fp16.safetensors")
        #expect(
            try model.refusal() == "org/unreadable: text_encoder has no weights as safetensors, only "
                + "text_encoder/pytorch_model.bin, which may run code in Python and is not fetched; name another model or "
                + "revision")
        try model.write(#"{"_class_name": "FluxPipeline"}"#, "model_index.json")
        #expect(try model.refusal().hasSuffix("FluxPipeline is not supported; StableDiffusionPipeline is"))
        try model.remove("model_index.json")
        #expect(
            try model.refusal()
                == "org/unreadable: no model in diffusers layout: it has no model_index.json; name another"
        )
        #expect(try model.requests("/cdn/").isEmpty)
    }

    @Test func passingFailures() throws {
        let model = try ServedModel("busy")
        try model.faults(
            #"{"match": "/revision/", "times": 2, "do": "status", "status": 503}, "#
                + #"{"match": "/unet/config", "times": 1, "do": "status", "status": 429, "headers": {"Retry-After": "1"}}, "#
                + #"{"match": "/cdn/", "times": 1, "do": "status", "status": 403}"#)
        let notes = Notes()
        var download = try model.download()
        download.report = { notes.add($0) }
        let began = Date()
        let snapshot = try download.fetch(model.id)
        #expect(model.isWhole(snapshot, "unet/config.json"))
        #expect(Date().timeIntervalSince(began) >= 1)
        #expect(notes.lines.filter { $0.hasPrefix("list of files: the server answers 503; again in ") }.count == 2)
        #expect(notes.lines.contains("unet/config.json: the server answers 429; again in 1 s"))
        #expect(notes.lines.filter { $0.contains("the server answers 403") }.count == 1)
    }

    @Test func lastingFailures() throws {
        let model = try ServedModel("broken")
        try model.faults(#"{"do": "status", "status": 500, "headers": {"X-Error-Message": "out of order"}}"#)
        #expect(
            try model.refusal() == "org/broken: HUB answers 500 (out of order); run again later: what has come is kept")
        #expect(try model.requests().count == 6)
        try model.faults(#"{"do": "status", "status": 429, "headers": {"Retry-After": "4000"}}"#)
        #expect(
            try model.refusal().hasPrefix("org/broken: HUB answers too many requests (429); run again in some minutes"))
        #expect(try model.requests().count == 7)
        try model.faults(#"{"do": "body", "body": "<html>log in to the guest network</html>"}"#)
        #expect(try model.refusal() == "org/broken: HUB answers no commit for 'main'; check HF_ENDPOINT")
        try model.faults(#"{"match": "/tree/", "do": "body", "body": "{}"}"#)
        #expect(try model.refusal() == "org/broken: HUB answers no list of files; check HF_ENDPOINT")
        try model.faults(
            #"{"match": "/resolve/", "do": "status", "status": 302, "headers": {"Location": "/org/broken/resolve/main/x"}}"#
        )
        #expect(try model.refusal().contains("from one address to the next without end"))
        try model.faults(
            #"{"match": "/resolve/", "do": "status", "status": 302, "headers": {"Location": "file:///etc/passwd"}}"#)
        #expect(try model.refusal().contains("cannot be reached ("))
    }

    @Test func noNetwork() throws {
        let model = try ServedModel("alone")
        var download = try HubDownload(
            settings: HubSettings(environment: ["HF_ENDPOINT": "http://127.0.0.1:9", "HOME": "/nowhere"]),
            cache: model.cache)
        download.retries.wait = 0.005
        let told = try model.refusal(nil, download)
        #expect(
            told.hasPrefix("org/alone: http://127.0.0.1:9 cannot be reached (")
                && told.hasSuffix("); check the network, or set HF_ENDPOINT to a mirror"), "\(told)")
    }

    @Test func offlineMakesNoRequest() throws {
        let model = try ServedModel("offline")
        #expect(
            try model.refusal(nil, model.download(offline: true))
                == "org/offline: not fetched, for HF_HUB_OFFLINE is set, "
                + "and not all of it is in the Hugging Face cache (CACHE); unset HF_HUB_OFFLINE")
        #expect(try model.requests().isEmpty)
        #expect(!FileManager.default.fileExists(atPath: model.cache.root))
        let snapshot = try model.download().fetch(model.id)
        let count = try model.requests().count
        #expect(try model.download(offline: true).fetch(model.id) == snapshot)
        #expect(try model.requests().count == count)
    }

    @Test func theTokenStaysAtTheHub() throws {
        let model = try ServedModel("token")
        _ = try model.download(token: "hf_secret").fetch(model.id)
        let requests = try model.requests()
        let (cdn, hub) = (
            requests.filter { $0.path.hasPrefix("/cdn/") }, requests.filter { !$0.path.hasPrefix("/cdn/") }
        )
        #expect(cdn.count == 3 && cdn.allSatisfy { $0.token == nil })
        #expect(hub.count > 10 && hub.allSatisfy { $0.token == "Bearer hf_secret" })
        #expect(requests.allSatisfy { $0.method == "GET" })
    }

    @Test func pathsOutOfTheCacheAreRefused() throws {
        for (number, path) in ["../../evil", "unet/../../../evil", "/etc/evil", "a//b", "a\\\\..\\\\b", "a/./b", ""]
            .enumerated()
        {
            let model = try ServedModel("hostile-\(number)")
            let oid = String(repeating: "a", count: 40)
            try model.faults(
                #"{"match": "/tree/", "do": "body", "body": "[{\"type\": \"file\", \"path\": \"\#(path.replacing("\\", with: "\\\\"))\", "#
                    + #"\"oid\": \"\#(oid)\", \"size\": 1}]"}"#)
            let told = try model.refusal()
            #expect(told.contains("which leads out of the cache; nothing is fetched"), "\(path): \(told)")
            #expect(try model.requests("/resolve/").isEmpty)
            #expect(!FileManager.default.fileExists(atPath: model.cache.root))
        }
    }

    @Test func tagsThatAreNoDigestsAreRefused() throws {
        let model = try ServedModel("tags")
        try model.faults(
            #"{"match": "/tree/", "do": "body", "body": "[{\"type\": \"file\", \"path\": \"model_index.json\", "#
                + #"\"oid\": \"../../../../evil\", \"size\": 1}]"}"#)
        #expect(try model.refusal().contains("it has no model_index.json"))
        #expect(!FileManager.default.fileExists(atPath: model.cache.root))
    }
}
