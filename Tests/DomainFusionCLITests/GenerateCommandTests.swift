import Foundation
import Foundations
import TestSupport
import Testing

/// Offline generation from the command line, selection, and runs that train on the images.
struct GenerateCommandTests {
    private let program: Program
    private let model = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../DiffusionTests/Fixtures/sd1").standardized.path

    init() throws {
        program = try Program()
        let folder = try TemporaryFolder()
        _ = try folder.makeDataset(count: 3)
        try FileManager.default.copyItem(atPath: folder.path("set"), toPath: "\(program.folder)/set")
    }

    private var common: [String] {
        ["generate", "--data", "set", "--ldm", model, "--steps", "2", "--batch-size", "4"]
    }

    private static let styled = [
        "--prompt", "{style} of {a class}", "--style", "a=art", "--style", "b=ink", "--style", "c=chalk",
    ]

    private var options: [String] { common + ["--strength", "0.5"] + Self.styled }

    private let train = [
        "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size", "2",
        "--steps", "2", "--evaluate-every", "2", "--run-dir",
    ]

    private func images(_ name: String) throws -> [String: Data] {
        var result: [String: Data] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: "\(program.folder)/\(name)")
        where path.hasSuffix(".png") || path.hasSuffix(".jsonl") { result[path] = program.contents("\(name)/\(path)") }
        return result
    }

    private static let methods: [[String]] = [
        ["--strength", "0.5", "--copies", "3"] + styled,
        ["--method", "cdga-ig", "--strength", "0.5", "--copies", "3", "--weight", "0.4"],
        ["--method", "fds", "--copies", "27"],
    ]

    /// Killed again and again, then run to its end, and by two processes at once: the same bytes as at one go.
    @Test(arguments: 0..<3) func generatesAfterKills(_ number: Int) throws {
        let command = common + Self.methods[number]
        let count = 162
        let whole = try program.run(command + ["--output", "whole"])
        #expect(whole.status == 0, "\(whole.errors)")
        #expect(whole.output.hasPrefix("whole: \(count) images, \(count) of them made"), "\(whole.output)")
        for delay in [0.3, 0.6] {
            _ = try program.run(command + ["--output", "killed", "--store", "other"]) { process in
                Thread.sleep(forTimeInterval: delay)
                kill(process.processIdentifier, SIGKILL)
            }
        }
        let last = try program.run(command + ["--output", "killed", "--store", "other"])
        #expect(last.status == 0, "\(last.errors)")
        let expected = try images("whole")
        #expect(expected.count == count + 2)
        #expect(try images("killed") == expected)
        // Two at once, each with a store of its own: the folder is one.
        let words = command.map { "'\($0)'" }.joined(separator: " ")
        let both = try program.shell(
            "$DF \(words) -o both --store s1 & first=$!; $DF \(words) -o both --store s2; second=$?; "
                + "wait $first && exit $second")
        #expect(both.status == 0, "\(both.errors)")
        #expect(try images("both") == expected)
        let made = try ["s1", "s2"].reduce(0) { sum, store in
            let list = try program.run(["store", "list", "--store", store, "--kind", "candidate"])
            return sum + list.output.split(separator: "\n").count
        }
        #expect(made == count, "each image was made once")
    }

    /// A run trains on what is not of its held-out domain, and resumes.
    @Test func trainsOnGeneratedImages() throws {
        #expect(try program.run(options + ["--output", "whole"]).status == 0)
        let run = try program.run(train + ["run", "--generated", "whole"])
        #expect(run.status == 0, "\(run.errors)")
        // Of 12 source images 10 are trained on, each in the styles of two domains.
        #expect(run.errors.contains("trains on 20 generated images"), "\(run.errors)")
        #expect(try program.run(train + ["run", "--generated", "whole"]).status == 0)
        let missing = try program.run(train + ["other", "--generated", "set"])
        #expect(missing.isPlainError && missing.errors.contains("no generated images here"), "\(missing.errors)")
    }

    /// FDS from the classifier that judges to the run on the selection, each pair an environment.
    @Test func fdsFromNothingToATrainedRun() throws {
        #expect(try program.run(train + ["judge"]).status == 0)
        let made = try program.run(
            common + ["--method", "fds", "--domains", "a,b", "--copies", "12", "--output", "fds"])
        #expect(made.status == 0 && made.output.hasPrefix("fds: 24 images"), "\(made.errors)")
        let select = [
            "generate", "select", "fds", "--judge", "judge", "--keep", "5", "--order", "entropy", "--output", "hard",
        ]
        let selected = try program.run(select)
        #expect(selected.status == 0, "\(selected.errors)")
        #expect(selected.output.hasPrefix("hard: 10 of 24 images kept; dropped: "), "\(selected.output)")
        let once = try images("hard")
        #expect(once.count == 10 + 1)
        #expect(try program.run(select).status == 0)
        #expect(try images("hard") == once)
        let pairs = ["--generated", "hard", "--set", "generated.environments=pairs", "--algorithm", "GroupDRO"]
        let run = try program.run(train + ["run"] + pairs)
        #expect(run.status == 0, "\(run.errors)")
        #expect(run.errors.contains("trains on 10 generated images beside its own, in environments of their own: a+b"))
        // Another held-out domain, which the judge has seen.
        let seen = try program.run(
            train.map { $0 == "c" ? "a" : $0 } + ["seen", "--generated", "hard"])
        #expect(seen.isPlainError && seen.errors.contains("its judge has seen a"), "\(seen.errors)")
    }

    @Test func mistakesAreNamed() throws {
        func refusal(_ arguments: [String]) throws -> String {
            let result = try program.run(arguments)
            #expect(result.isPlainError, "\(result.errors)")
            return result.errors
        }
        #expect(try refusal(options + ["--output", "out", "--style", "d=oil"]).contains("no domain 'd'"))
        #expect(try program.run(options + ["--output", "out", "--style", "oil"]).status == 64)
        #expect(try refusal(options + ["--output", "out", "--strength", "2"]).contains("strength"))
        try program.write(Data(), to: "file")
        _ = try refusal(options + ["--output", "file"])
        // What a method does not take.
        for wrong in [
            ["--method", "image"], ["--method", "fds", "--strength", "0.5"], ["--weight", "0.5"],
            ["--method", "cdga-ig", "--weight", "0.2,0.4"], ["--guidance", "4,6"], ["--guidance", "4,5,6"],
            ["--guidance", "x"],
        ] {
            let result = try program.run(common + ["--output", "out"] + wrong)
            #expect(result.status == 64, "\(wrong): \(result.errors)")
        }
        let fds = common + ["--output", "out", "--method", "fds"]
        #expect(try refusal(fds + ["--domains", "a"]).contains("a alone makes no pair; name at least two of a, b, c"))
        #expect(try refusal(fds + ["--domains", "a,d"]).contains("no domain 'd'"))
        #expect(try refusal(fds + ["--weight", "0.6,0.2"]).contains("must not be below lowestWeight"))
        #expect(try refusal(fds + ["--prompt", "a {class}"]).contains("must have {domain} or {style}"))
        let guided = common + ["--output", "out", "--method", "cdga-ig"]
        #expect(try refusal(guided + ["--weight", "1.5"]).contains("is not in 0…1"))
        #expect(try refusal(guided + ["--weight", "nan"]).contains("is not in 0…1"))
        #expect(!program.exists("out"))

        #expect(try program.run(fds + ["--copies", "2"]).status == 0)
        let other = try refusal(fds + ["--copies", "3"])
        #expect(other.contains("was generated with another"), "\(other)")
        let select = ["generate", "select", "out", "--output", "kept"]
        #expect(try refusal(select + ["--correct"]).contains("need a judge"))
        #expect(try refusal(select + ["--judge", "nowhere", "--correct"]).contains("no run in this folder"))
        #expect(try refusal(["generate", "select", "set", "-o", "kept"]).contains("no generated images here"))
        #expect(try refusal(["generate", "select", "out", "-o", "out"]).contains("choose another folder"))
        #expect(try refusal(select + ["--share", "2", "--order", "random"]).contains("share"))
        #expect(try program.run(train + ["judge"]).status == 0)
        let nothing = try refusal(select + ["--judge", "judge", "--min-confidence", "1"])
        #expect(nothing.contains("none of its 12 images is left"), "\(nothing)")
        let unfinished = try refusal(train + ["run", "--generated", "kept"])
        #expect(unfinished.contains("run 'domainfusion generate select' to its end"), "\(unfinished)")
    }
}
