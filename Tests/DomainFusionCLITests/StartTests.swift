import Foundation
import Foundations
import TestSupport
import Testing

/// What is settled before a command begins: how threads wait, and where the program's own files are.
struct StartTests {
    let program: Program

    init() throws { program = try Program() }

    /// What the OpenMP runtime took up when it was loaded.
    /// - Parameter variables: what the environment says of it, as `env` takes it.
    private func waiting(_ variables: String = "") throws -> [String] {
        // The tests' own process was begun like the program, and has the variable.
        let result = try program.shell("env -u GOMP_SPINCOUNT OMP_DISPLAY_ENV=verbose \(variables) $DF --version")
        #expect(result.status == 0 && result.output.contains("0."))
        return result.errors.split(separator: "\n").map { String($0).replacing(" ", with: "") }
            .filter { $0.contains("GOMP_SPINCOUNT") || $0.contains("OMP_WAIT_POLICY") }
    }

    @Test func threadsWaitBriefly() throws {
        #expect(try waiting().contains("GOMP_SPINCOUNT='1000'"))
        #expect(try waiting("GOMP_SPINCOUNT=77").contains("GOMP_SPINCOUNT='77'"))
        let active = try waiting("OMP_WAIT_POLICY=active")
        #expect(active.contains("OMP_WAIT_POLICY='ACTIVE'") && !active.contains("GOMP_SPINCOUNT='1000'"))
    }

    /// From a folder with nothing in it, `DOMAINFUSION_HOME` names the embedded model, weights and data.
    @Test func findsItsFilesFromElsewhere() throws {
        let home = try TemporaryFolder()
        for name in [
            "Models/emoji-ldm/x", "data/packages/bpe_simple_vocab_16e6.txt",
            "data/weights/tf_efficientnet_lite0.safetensors",
        ] {
            try home.write("", to: name)
        }
        _ = try home.makeDataset("data/set", count: 1)
        let info = try program.run(["info"], environment: ["DOMAINFUSION_HOME": home.path])
        #expect(info.status == 0, "\(info.errors)")
        for line in [
            "embedded diffusion model: \(home.path)/Models/emoji-ldm",
            "CLIP's vocabulary: \(home.path)/data/packages/bpe_simple_vocab_16e6.txt",
            "  tf_efficientnet_lite0: \(home.path)/data/weights/tf_efficientnet_lite0.safetensors",
            "  \(home.path)/data/set",
        ] { #expect(info.output.contains(line + "\n"), "\(line) in \(info.output)") }

        let check = try program.run(["data", "check", "set"], environment: ["DOMAINFUSION_HOME": home.path])
        #expect(check.status == 0, "\(check.errors)")
        let nothing = try program.run(["ldm", "sheet"])
        #expect(
            nothing.isPlainError && nothing.errors.contains("the embedded diffusion model is not here; name a model"))
    }

    /// The study's sweep goes on where it ended, with today's defaults of all but the preset, too.
    @Test func theStudysRunsKeepTheirNames() throws {
        for domain in ["emojione", "noto", "openmoji", "symbola", "unifont"] {
            try program.write(Program.png(seed: 1), to: "EmojiDG/\(domain)/animal/0.png")
        }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let plan = try program(
            "sweep", "--dataset", "EmojiDG", "--variants", root.appending(path: "Evidence/embedded/methods.yaml").path,
            "--preset", "small-1", "--steps", "600", "--trials", "1", "--test-domains", "unifont", "--launcher",
            "dry-run",
            "--data-dir", ".")
        #expect(plan.status == 0, "\(plan.errors)")
        let names = plan.output.split(separator: "\n").compactMap { $0.split(separator: ":").first }
        #expect(
            names.sorted() == [
                "EmojiDG-DomainFusion-unifont-trial0-draw0-3721411e", "EmojiDG-ERM-unifont-trial0-draw0-bc055142",
                "EmojiDG-FourierMix-unifont-trial0-draw0-79ea59a6", "EmojiDG-LD-unifont-trial0-draw0-45411a19",
                "EmojiDG-LD_constant_g-unifont-trial0-draw0-9261a69b",
                "EmojiDG-LD_shuffled_g-unifont-trial0-draw0-1b587a7b", "EmojiDG-OLA-unifont-trial0-draw0-93270e90",
                "EmojiDG-OLA_and_LD_constant_g-unifont-trial0-draw0-94104668",
                "EmojiDG-OLA_and_LD_shuffled_g-unifont-trial0-draw0-4e33f6db",
                "EmojiDG-Oracle-unifont-trial0-draw0-4810c800", "EmojiDG-Posterior-unifont-trial0-draw0-f57e70ec",
            ])
    }
}
