import Diffusion
import Foundation
import Testing

@testable import Hub

/// Connections that break, stall or bring the wrong bytes.
struct TransferTests {
    private let unet = ServedModel.unet

    @Test func goesOnWhereAConnectionWasCut() throws {
        let model = try ServedModel("cut")
        try model.faults(#"{"match": "/cdn/org/cut/", "times": 1, "after": 1000, "do": "cut"}"#)
        let notes = Notes()
        var download = try model.download()
        download.report = { notes.add($0) }
        let snapshot = try download.fetch(model.id)
        let cut = try #require(try model.requests("/cdn/").first).path
        #expect(try model.requests(cut).map(\.range) == [nil, "bytes=1000-"])
        for part in ["vae", "unet"] { #expect(model.isWhole(snapshot, "\(part)/diffusion_pytorch_model.safetensors")) }
        #expect(notes.lines.filter { $0.contains("; again in 1 s") }.count == 1, "\(notes.lines)")
        #expect(model.incomplete.isEmpty)
    }

    /// As long as something comes each time, it goes on beyond the number of failures in a row that is put up with.
    @Test func progressForgivesFailures() throws {
        let model = try ServedModel("crawl")
        try model.faults(#"{"match": "/unet/", "after": 300, "do": "cut"}"#)
        let snapshot = try model.download().fetch(model.id)
        #expect(model.isWhole(snapshot, unet))
        #expect(try model.requests("/cdn/").filter { $0.path.hasSuffix(unet) }.count == 9)
    }

    @Test func startsAnewWhereTheServerKnowsNoRanges() throws {
        let model = try ServedModel("no-range")
        try model.faults(
            #"{"match": "/cdn/", "times": 1, "after": 1000, "do": "cut"}, {"match": "/cdn/", "do": "no-range"}"#)
        let snapshot = try model.download().fetch(model.id)
        for path in [unet, "vae/diffusion_pytorch_model.safetensors"] { #expect(model.isWhole(snapshot, path)) }
        #expect(try model.requests("/cdn/").filter { $0.range != nil }.count == 1)
    }

    @Test func givesUpAndGoesOnLater() throws {
        let model = try ServedModel("down")
        try model.faults(
            #"{"match": "/unet/diff", "times": 2, "after": 700, "do": "cut"}, {"match": "/unet/diff", "times": 12, "do": "drop"}"#
        )
        let told = try model.refusal()
        #expect(
            told.hasPrefix("org/down: \(unet): the connection breaks again and again (")
                && told.hasSuffix("); run again later: what has come is kept"), "\(told)")
        #expect(model.incomplete.count == 1)
        try model.faults("")
        let count = try model.requests().count
        let snapshot = try model.download().fetch(model.id)
        #expect(model.isWhole(snapshot, unet))
        let ranges = try model.requests().dropFirst(count).compactMap(\.range)
        #expect(ranges == ["bytes=700-", "bytes=700-"])
    }

    @Test func leftoversAreUsedOrDropped() throws {
        let model = try ServedModel("leftovers")
        let first = try model.download().fetch(model.id)
        let blob = try #require(realpath("\(first.folder)/\(unet)"))
        func leave(_ bytes: Data) throws -> [ServedModel.Request] {
            try FileManager.default.removeItem(atPath: blob)
            try FileManager.default.removeItem(atPath: "\(first.folder)/\(unet)")
            try bytes.write(to: URL(fileURLWithPath: "\(blob).incomplete"))
            let count = try model.requests().count
            #expect(model.isWhole(try model.download().fetch(model.id), unet))
            return try model.requests().dropFirst(count).filter { $0.path.contains("/cdn/") }
        }
        let whole = try #require(FileManager.default.contents(atPath: blob))
        #expect(try leave(whole).isEmpty)
        #expect(try leave(whole + Data("more".utf8)).map(\.range) == [nil])
        #expect(try leave(whole.prefix(2000)).map(\.range) == ["bytes=2000-"])
    }

    @Test func wrongBytesAreDeleted() throws {
        let model = try ServedModel("corrupt")
        try model.faults(#"{"match": "/unet/diff", "do": "corrupt"}"#)
        let told = try model.refusal()
        #expect(told.hasPrefix("\(unet): what came has the SHA-256 "), "\(told)")
        #expect(told.hasSuffix(", and is deleted; download again"), "\(told)")
        #expect(model.incomplete.isEmpty)
        #expect(model.cache.completeSnapshot(model.id) == nil)

        try model.faults(#"{"match": "resolve/", "do": "corrupt"}"#)
        try model.write("{\"x\": 1}", "unet/config.json")
        #expect(try model.refusal().contains("unet/config.json: what came has the git SHA-1 "))
        try model.faults("")
        #expect(model.isWhole(try model.download().fetch(model.id), "unet/config.json"))
        #expect(model.incomplete.isEmpty)
    }

    @Test func wrongSizesAreNoticedBeforehand() throws {
        let model = try ServedModel("size")
        try model.faults(#"{"match": "/cdn/", "do": "longer"}"#)
        #expect(try model.refusal().contains("the server has "))
        try model.faults(#"{"match": "/resolve/", "do": "set", "headers": {"X-Linked-Size": "17"}}"#)
        #expect(try model.refusal().contains("HUB answers X-Linked-Size 17, not "))
        try model.faults(#"{"match": "/resolve/", "do": "set", "headers": {"X-Linked-ETag": "\"00\""}}"#)
        #expect(try model.refusal().contains("HUB answers X-Linked-ETag 00, not "))
        try model.faults(#"{"match": "/resolve/", "do": "set", "headers": {"X-Repo-Commit": "abc"}}"#)
        #expect(try model.refusal().contains("HUB answers X-Repo-Commit abc, not "))
        #expect(try model.requests("/cdn/").count == 1)
    }

    @Test func stalledConnectionsAreBrokenOff() throws {
        let model = try ServedModel("stall")
        try model.faults(#"{"match": "/cdn/", "times": 1, "after": 500, "do": "stall"}"#)
        var download = try model.download()
        download.stallSeconds = 0.5
        let notes = Notes()
        download.report = { notes.add($0) }
        let began = Date()
        let snapshot = try download.fetch(model.id)
        #expect(model.isWhole(snapshot, unet))
        #expect(try model.requests("/cdn/").compactMap(\.range) == ["bytes=500-"])
        #expect(notes.lines.contains { $0.contains("nothing came for ") })
        #expect(Date().timeIntervalSince(began) < 10)
    }

    @Test func slowOnesAreNot() throws {
        let model = try ServedModel("slow")
        try model.faults(#"{"match": "/unet/diff", "do": "slow"}"#)
        var download = try model.download()
        download.stallSeconds = 0.7
        #expect(model.isWhole(try download.fetch(model.id), unet))
        #expect(try model.requests("/cdn/").count == 3)
    }

    @Test func twoAtOnceFetchEveryFileOnce() async throws {
        let model = try ServedModel("two")
        try model.faults(#"{"match": "/unet/diff", "do": "slow"}"#)
        let notes = Notes()
        var download = try model.download()
        download.report = { notes.add($0) }
        let (first, second) = (download, download)
        async let earlier = onThread { try first.fetch(model.id).folder }
        // The other begins while the slow file is on its way.
        async let later = onThread {
            while notes.bytes == 0 { usleep(1000) }
            return try second.fetch(model.id).folder
        }
        #expect(try await earlier == later)
        let files = try model.requests("/resolve/").map(\.path)
        #expect(files.count == 12 && Set(files).count == 12, "\(files)")
        #expect(notes.lines.contains("\(unet): another process downloads it; waiting"))
        #expect(notes.lines.allSatisfy { $0.hasSuffix("another process downloads it; waiting") })
        #expect(model.incomplete.isEmpty)
    }

    /// Runs a body that blocks on a thread of its own.
    private func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: .init(catching: body)) }.start()
        }
    }

    private struct Stop: Error {}

    @Test func stoppedDownloadsGoOn() throws {
        let model = try ServedModel("stopped")
        try model.faults(#"{"match": "/unet/diff", "do": "slow"}"#)
        var download = try model.download()
        let notes = Notes()
        download.report = { notes.add($0) }
        download.poll = { if notes.bytes > 600 { throw Stop() } }
        #expect(throws: Stop.self) { try download.fetch(model.id) }
        #expect(model.incomplete.count == 1)
        #expect(model.cache.completeSnapshot(model.id) == nil)
        let snapshot = try model.download().fetch(model.id)
        #expect(model.isWhole(snapshot, unet))
        #expect(try model.requests("/cdn/").compactMap(\.range).count == 1)
    }

    @Test func aFullDiskIsOneLineAndAnEmptiedFileFetchedAgain() throws {
        let model = try ServedModel("full")
        let first = try model.download().fetch(model.id)
        let blob = try #require(realpath("\(first.folder)/\(unet)"))
        // A crash has emptied the file: it is fetched again.
        try Data().write(to: URL(fileURLWithPath: blob))
        #expect(model.isWhole(try model.download().fetch(model.id), unet))
        try FileManager.default.removeItem(atPath: blob)
        try FileManager.default.createSymbolicLink(atPath: "\(blob).incomplete", withDestinationPath: "/dev/full")
        let told = try model.refusal()
        #expect(
            told.hasSuffix(
                ".incomplete: the disk is full; 2.46 kB are still to come; make room and run again: what has come is kept"
            ),
            "\(told)")
        try FileManager.default.removeItem(atPath: "\(blob).incomplete")
    }

    private func realpath(_ path: String) -> String? {
        URL(fileURLWithPath: path).resolvingSymlinksInPath().path
    }
}
