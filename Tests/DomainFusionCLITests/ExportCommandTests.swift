import Foundation
import Foundations
import Testing

/// What the files hold is checked by other programs: scripts/check-export.
struct ExportCommandTests {
    private let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
        let run = try program(
            "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32", "--batch-size",
            "2", "--steps", "2", "--evaluate-every", "1", "--run-dir", "run")
        try #require(run.status == 0, "\(run.errors)")
    }

    @Test func writesTheNetworkItsInputAndItsCard() throws {
        for format in ["onnx", "safetensors", "pth"] {
            let result = try program("export", "run", "--format", format, "--output", "out")
            #expect(result.status == 0 && result.output.hasPrefix("out/model.\(format): written"), "\(result.errors)")
            #expect(program.exists("out/model.\(format)"))
        }
        let text = try #require(program.contents("out/preprocessing.json"))
        let preprocessing = try #require(JSONValue(json: text))
        #expect(preprocessing["image_size"] == .int(32) && preprocessing["architecture"] == "tf_efficientnet_lite0")
        // As the registry has them: images in [−1, 1].
        #expect(preprocessing["mean"] == [0.5, 0.5, 0.5] && preprocessing["std"] == [0.5, 0.5, 0.5])
        let card = try #require(program.contents("out/README.md").map { String(decoding: $0, as: UTF8.self) })
        #expect(card.hasPrefix("---\npipeline_tag: image-classification\n"))
        #expect(
            card.contains("| c, never seen in training |")
                && card.contains("torch.load(\"model.pth\", weights_only=True)"))
    }

    @Test func mistakesAreOneLine() throws {
        func expect(_ arguments: [String], _ part: String, _ line: Int = #line) throws {
            let result = try program.run(["export"] + arguments)
            #expect(result.isPlainError && result.errors.contains(part), "line \(line): \(result.errors)")
        }
        try expect(["nowhere", "--output", "out"], "nowhere")
        try program.write("x", to: "file")
        try expect(["run", "--output", "file/out"], "file")
        try expect(["run", "--averaged", "--output", "out"], "no such file; an averaged model")
        try FileManager.default.removeItem(atPath: "\(program.folder)/run/done")
        try expect(["run", "--output", "out"], "run: has not ended")
        #expect(!program.exists("out"))
    }
}
