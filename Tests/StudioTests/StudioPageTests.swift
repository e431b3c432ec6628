import DomainFusion
import Experiments
import Foundations
import Pixels
import TestSupport
import Testing

@testable import Studio

struct StudioPageTests {
    private static let evil = "<script>alert(1)</script>\"'&\u{202E}\u{1}"

    /// Nothing of a file or a request is an element, leaves its attribute, or turns the line round.
    private func expectPlain(_ html: String, _ what: String) {
        let own = html.replacing("<script src=\"/assets/studio.js\" defer=\"\"></script>", with: "")
        #expect(!own.contains("<script") && !own.contains("alert(1)</script>"), "\(what)")
        #expect(!html.unicodeScalars.contains { $0 == "\u{202E}" || $0 == "\u{1}" }, "\(what)")
        // What the policy forbids.
        for word in [" style=", " onclick=", "javascript:", "<style"] {
            #expect(!html.contains(word), "\(what): \(word)")
        }
    }

    @Test("names, settings, logs and filters are shown as text")
    func escapes() throws {
        let folder = try TemporaryFolder()
        let name = "a<b>\"'& é"
        let evil = JSONValue.string(Self.evil).text
        try folder.write(
            "variant: \(evil)\nalgorithm: {name: ERM}\ndata: \(evil)\ntestDomains: [\(evil)]\nsteps: 3\n",
            to: "\(name)/config.yaml")
        try folder.write(Self.evil + "\n", to: "\(name)/log.txt")
        try folder.write(Self.evil + "\n", to: "\(name)/failed")
        try folder.write("{}", to: "\(name)/ledger.json")
        let entries = try RunIndex(folder.path, threads: 1).entries()
        let run = try #require(entries.first)
        #expect(run.state == .failed)
        let list = RunListPage(
            root: folder.path, entries: entries, query: RunQuery(FormFields("q=\(WebAddress.encoded("a<b>\"'&"))")))
        expectPlain(list.html, "list")
        #expect(list.html.contains("value=\"a&lt;b&gt;&quot;&#39;&amp;\""))
        let parts = RunParts(run, RunHistory(folder: run.folder))
        let page = RunPage.html(run, parts)
        expectPlain(page, "run")
        #expect(page.contains("&lt;script&gt;alert(1)") && page.contains("ledger.json: not a run"))
        for (id, text) in parts.live() { expectPlain(text, id) }
        let answer = AnswerPart(
            run: name, image: RGBImage(width: 2, height: 2), classes: [Self.evil, "b"], probabilities: [0.75, 0.25],
            kept: "x")
        let html = answer.markup.map(\.html).joined()
        expectPlain(html, "answer")
        #expect(html.contains("75.0 %") && html.contains("value=\"0.7500\""))
    }

    @Test("a page has a hundred rows, a link to the next, and a filter that stays")
    func pages() throws {
        let folder = try TemporaryFolder()
        for index in 0..<3 { try RunFixture.done(folder, "run-\(index)") }
        let three = try RunIndex(folder.path, threads: 1).entries()
        let many = (0..<70).flatMap { _ in three }
        let first = RunListPage(root: "runs", entries: many, query: RunQuery(FormFields("q=run&order=name"))).html
        #expect(first.components(separatedBy: "<tr>").count - 1 == 101)
        #expect(
            first.contains("210 runs, 1 to 100 on this page.") && first.contains("/?q=run&amp;order=name&amp;page=2"))
        let last = RunListPage(root: "runs", entries: many, query: RunQuery(FormFields("page=9"))).html
        #expect(last.contains("210 runs, 201 to 210 on this page.") && last.contains("page 3 of 3"))
        let none = RunListPage(root: "runs", entries: [], query: RunQuery(FormFields(""))).html
        #expect(none.contains("There is no run yet"))
    }

    @Test("a run that ended says what it found, and offers to try an image; one that trains says what is left")
    func runs() throws {
        let folder = try TemporaryFolder()
        try RunFixture.done(folder, "done")
        var ledger = Ledger()
        var before = PriorWork()
        before.images = 77
        ledger.before = before
        try ledger.write(to: folder.path("done/ledger.json"))
        try folder.write(RunFixture.configuration(), to: "live/config.yaml")
        try folder.write(RunFixture.row(step: 100) + RunFixture.row(step: 200), to: "live/results.jsonl")
        let lock = try FolderLock(folder.path("live"), option: "--run-dir")
        let events = try EventWriter(folder: folder.path("live"))
        for step in 1...250 { try events.add("train/loss", 1 / Double(step), step: step) }
        let index = try RunIndex(folder.path, threads: 1)
        func page(_ name: String) throws -> String {
            let run = try #require(index.run(name))
            var history = RunHistory(folder: run.folder)
            history.read()
            return RunPage.html(run, RunParts(run, history))
        }
        let done = try page("done")
        #expect(
            done.contains("action=\"/runs/done/predict\"") && done.contains("25.0 %") && !done.contains("data-events"))
        #expect(done.contains("77 images generated, 0 U-Net passes"))
        let live = try page("live")
        #expect(live.contains("250 of 300") && live.contains("data-events=\"/runs/live/events\""))
        #expect(live.contains("Loss after each step") && live.contains("unifont (unseen)") && live.contains("about "))
        #expect(!live.contains("/predict"))
        withExtendedLifetime(lock) {}
    }
}
