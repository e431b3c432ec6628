import Foundation
import Foundations
import Testing

/// Names of files that are not UTF-8, that a terminal would obey, or that have commas in them.
struct OddNamesTests {
    let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    private let options =
        "--weights none --image-size 32 --batch-size 2 --steps 1 --threads 1 --device cpu"

    @Test func namesThatAreNotUTF8() throws {
        let made = try program.shell(
            #"""
            mv set/c $'set/c\xe9' && mv set/a/cat/0.png $'set/a/cat/\xff.png' && mv set $'s\xe9t' && cd . &&
            "$DF" data check $'s\xe9t' && "$DF" train --data $'s\xe9t' --test-domain $'c\xe9' --run-dir $'r\xe9n' \#

            """# + options
                + #"""
                 && "$DF" eval $'r\xe9n' --threads 1 --json && "$DF" predict $'s\xe9t/a/cat/\xff.png' --run $'r\xe9n' --json
                """#)
        #expect(made.status == 0, "\(made.errors)")
        // As JSON that is UTF-8, with the bytes in it.
        let lines = made.output.split(separator: "\n")
        let last = try #require(lines.last)
        let value = try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any]
        #expect(
            value?["image"] as? String
                == FilePath.text(Array("s".utf8) + [0xE9] + Array("t/a/cat/".utf8) + [0xFF, 0x2E] + Array("png".utf8)))
        #expect(made.output.contains(#"c\uf7e9"#) && !made.output.contains("\u{FFFD}"))
        let missing = try program.shell(#""$DF" data check $'n\xffwhere'"#)
        #expect(missing.isPlainError && missing.errors.contains(#"n\uf7ffwhere: no such folder"#))
    }

    @Test func namesThatATerminalWouldObey() throws {
        let evil = "\u{1B}]0;owned\u{7}\u{202E}x\ny"
        try FileManager.default.moveItem(
            atPath: "\(program.folder)/set/c", toPath: "\(program.folder)/set/\(evil)")
        try FileManager.default.moveItem(
            atPath: "\(program.folder)/set/a/cat", toPath: "\(program.folder)/set/a/\(evil)")
        try program.write("no image", to: "set/b/dog/\(evil).png")
        func isPlain(_ result: ProgramResult) -> Bool {
            (result.output + result.errors).unicodeScalars.allSatisfy { scalar in
                scalar == "\n" || scalar.value >= 0x20 && !(0x7F..<0xA0).contains(scalar.value) && scalar != "\u{202E}"
            }
        }
        for arguments in [
            ["data", "check", "set"], ["data", "list", "."], ["train", "--data", "set", "--test-domain", evil],
            ["train", "--data", "set", "--test-domain", evil, "--skip-corrupt", "--run-dir", "run"]
                + options.split(separator: " ").map(String.init),
            ["eval", "run", "--threads", "1"], ["eval", "run", "--json", "--threads", "1"],
            ["predict", "set/b/dog/\(evil).png", "set/b/dog/1.png", "--run", "run"], ["report", "."], ["compare", "."],
            ["data", "check", evil], ["train", "--data", evil, "--test-domain", "x"], [evil], ["eval", evil],
        ] {
            let result = try program.run(arguments)
            #expect(isPlain(result), "\(arguments): \(result.output) \(result.errors)")
        }
        let checked = try program("data", "check", "set")
        #expect(checked.output.contains(#"\u001b]0;owned\u0007\u202ex\u000ay"#))
        #expect(checked.output.split(separator: "\n").count == 1 + 3 + 1 + 3 + 2)
    }

    @Test func domainsWithCommas() throws {
        try FileManager.default.moveItem(atPath: "\(program.folder)/set/c", toPath: "\(program.folder)/set/c, d")
        let common = ["train", "--data", "set"] + options.split(separator: " ").map(String.init)
        let result = try program.run(common + ["--test-domain", "c, d", "--run-dir", "one"])
        #expect(result.output.contains("unseen domain c, d: accuracy"), "\(result.errors)")
        let two = try program.run(common + ["--test-domain", "a", "--test-domain", "c, d", "--run-dir", "two"])
        #expect(
            two.output.contains("unseen domain a: ") && two.output.contains("unseen domain c, d: "), "\(two.errors)")
        let mixed = try program.run(common + ["--test-domain", "a,b", "--run-dir", "three"])
        #expect(mixed.isPlainError && mixed.errors.contains("no domain 'a,b'"), "\(mixed.errors)")
        #expect(mixed.errors.contains("--test-domain"))
        let sweep = try program(
            "sweep", "--dataset", "set", "--data-dir", ".", "--algorithms", "ERM", "--trials", "1", "--launcher",
            "dry-run", "--test-domains", "c, d", "--test-domain", "b")
        #expect(sweep.output.split(separator: "\n").count == 2, "\(sweep.errors)")
    }
}
