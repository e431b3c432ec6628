import TestSupport
import Testing

@testable import Studio

struct RunQueryTests {
    private func entries() throws -> [RunEntry] {
        let folder = try TemporaryFolder()
        try RunFixture.done(folder, "a/ERM-0")
        try RunFixture.done(folder, "b", variant: "Mix")
        try folder.write(RunFixture.configuration(), to: "c/config.yaml")
        return try RunIndex(folder.path, threads: 1).entries()
    }

    @Test("all words of a filter must be in what the list says of a run")
    func filters() throws {
        let entries = try entries()
        func found(_ text: String) -> [String] {
            RunQuery(FormFields("q=\(text)&order=name")).chosen(entries).map(\.path)
        }
        #expect(found("") == ["a/ERM-0", "b", "c"])
        #expect(found("erm") == ["a/ERM-0", "c"] && found("erm+done") == ["a/ERM-0"])
        #expect(found("MIX") == ["b"] && found("unifont") == ["a/ERM-0", "b", "c"] && found("%3Ci%3E") == [])
    }

    @Test("a column orders both ways, and what has no number comes last in both")
    func orders() throws {
        let entries = try entries()
        #expect(RunQuery(FormFields("order=-name")).chosen(entries).map(\.path) == ["c", "b", "a/ERM-0"])
        for order in ["accuracy", "-accuracy"] {
            #expect(RunQuery(FormFields("order=\(order)")).chosen(entries).last?.path == "c")
        }
        let query = RunQuery(FormFields("q=a%26b&order=state&page=x"))
        #expect(query.page == 1 && query.text == "a&b")
        #expect(query.address(order: .state) == "/?q=a%26b&order=-state")
        #expect(query.address(order: .name, page: 2) == "/?q=a%26b&order=name&page=2")
        #expect(RunQuery(FormFields("")).address() == "/")
    }
}
