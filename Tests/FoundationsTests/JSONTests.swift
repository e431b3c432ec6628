import Foundation
import Foundations
import TestSupport
import Testing

struct JSONFileTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func object(_ text: String) throws -> [String: JSONValue] {
        try folder.write(text, to: "x.json")
        return try JSONFile.object(folder.path("x.json"))
    }

    @Test func textsThatWouldFillTheMemoryAreRefused() throws {
        for text in [
            "[" + String(repeating: "[],", count: 5_000_000) + "0]",
            "{\"a\":" + String(repeating: " ", count: 64_000_000) + "1}",
        ] {
            let error = #expect(throws: FileFormatError.self) { try object("{\"a\":\(text)}") }
            #expect(
                error?.problem.contains("more than 4000000 values") == true
                    || error?.problem.contains("too long") == true)
        }
    }

    @Test func valuesHaveTheirOwnKinds() throws {
        let object = try object(
            """
            {"t": true, "one": 1, "real": 1.0, "big": 1e3, "large": 12345678901234567890, "nothing": null, "inf": -Infinity,
             "list": [true, 1, "a"], "group": {"x": false}}
            """)
        #expect(object["t"] == .bool(true) && object["t"]?.int == nil && object["t"]?.double == nil)
        #expect(object["one"] == .int(1) && object["one"]?.bool == nil)
        #expect(object["real"] == .double(1) && object["big"] == .double(1000))
        #expect(object["large"]?.double == Double("12345678901234567890"))
        #expect(object["nothing"] == .null && object["inf"] == .double(-.infinity))
        #expect(object["list"]?.array?.count == 3 && object["list"]?.ints == nil)
        #expect(object["group"]?["x"]?.bool == false)
        for text in ["{\"a\": tru}", "{\"a\": 01}", "{\"a\": 1.}", "{\"a\": +1}", "{\"a\": 1e999}", "{\"a\": .5}"] {
            #expect(throws: FileFormatError.self, "\(text)") { try self.object(text) }
        }
    }

    @Test func namesWhatIsWrong() throws {
        func message(_ text: String) throws -> String? {
            #expect(throws: FileFormatError.self) { try object(text) }?.description
        }
        let file = folder.path("x.json")
        #expect(
            try message("{\"a\": 1, \"a\": 2}")
                == "\(file): not valid JSON: key \"a\" appears twice; fetch the file again")
        #expect(try message("[1]") == "\(file): not a JSON object; fetch the file again")
    }

    @Test func writesSortedKeysOneALine() throws {
        let path = folder.path("new/x.json")
        try JSONFile.write(["b": [1, 2.5], "a": ["x/y": .null]], to: path)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        #expect(text.hasSuffix("}\n") && !text.contains("\\/"))
        #expect(try #require(text.range(of: "\"a\"")).lowerBound < #require(text.range(of: "\"b\"")).lowerBound)
        #expect(try JSONFile.object(path) == ["b": [1, 2.5], "a": ["x/y": .null]])
    }
}

struct JSONValueTests {
    private func value(_ text: String) -> JSONValue? { JSONValue(json: text.utf8) }

    @Test func readsWhatPythonWrites() {
        let text = #" {"a": [1, -2.5e-3, true, null], "b\u0020\"": "x\ny", "inf": -Infinity, "empty": {}} "#
        #expect(
            value(text) == ["a": [1, -0.0025, true, .null], "b \"": "x\ny", "inf": .double(-.infinity), "empty": [:]])
        #expect(value("NaN")?.double?.isNaN == true)
        #expect(value("Infinity") == .double(.infinity))
        #expect(value("0") == 0 && value("-0.5E+2") == -50.0 && value("[]") == [])
    }

    @Test(arguments: [
        "", "{", "{\"a\"", "{\"a\":", "{\"a\": 1", "{\"a\": 1,}", "[1", "[1,]", "\"a", "\"a\\", "nul", "1x", "{} {}",
        "{a: 1}", String(repeating: "[", count: 200), "-", "--1", "1e", "1e+", "0x1", "{\"a\": 1, \"a\": 1}",
    ])
    func refuses(_ text: String) { #expect(value(text) == nil) }
}
