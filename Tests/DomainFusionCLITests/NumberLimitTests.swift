import ArgumentParser
import Foundation
import Foundations
import Testing

@testable import DomainFusionCLI

/// Numbers at the edge of what a number can be, in every option that takes one.
struct NumberLimitTests {
    private static let most = "9223372036854775807"

    private static let commands: [(arguments: String, wanted: String)] = [
        ("augment x.png --label a --rounds=MOST", "--rounds"),
        ("augment x.png --label a --candidates=MOST", "candidates"),
        ("augment x.png --label a --steps=MOST", "steps"), ("augment x.png --label a --guidance=inf", "guidanceScale"),
        ("augment x.png --label a --fourier-radius=nan", "fourierRadius"),
        ("augment x.png --label a --strength=nan", "strength"),
        ("generate --data set --output o --copies=MOST", "copies"),
        ("generate --data set --output o --guidance=inf", "guidanceScale"),
        ("generate --data set --output o --resolution=MOST", "--resolution"),
        ("generate --data set --output o --method cdga-ig --prompt {class} --weight=nan", "weight"),
        ("generate --data set --output o --method fds --weight=nan,0.5", "lowestWeight"),
        ("generate --data set --output o --method fds --guidance=4,inf", "highestGuidance"),
        ("generate select o --output p --keep=-MOST", "keep"), ("generate select o --output p --share=nan", "share"),
        ("generate select o --output p --min-change=inf", "change"),
        ("curves x.png --label a --nodes=MOST", "nodes"), ("curves x.png --label a --draws=MOST", "draws"),
        ("curves report --data set --images=MOST", "--images"), ("curves report --data set --points=1e999", "--points"),
        ("data sheet set -o a.png --samples=MOST", "--samples"), ("data prepare rotated-mnist --limit=-1", "--limit"),
        ("data prepare rotated-mnist --limit=MOST", "--limit"), ("ldm train vae --output m --steps=MOST", "--steps"),
        ("ldm train unet --output m --batch-size=MOST", "--batch-size"),
        ("ldm train vae --output m --evaluate-every=MOST", "--evaluate-every"),
        ("ldm train vae --output m --image-size=MOST", "--image-size"),
        ("ldm finetune --ldm m --data set --output o --steps=MOST", "steps"),
        ("ldm finetune --ldm m --data set --output o --accumulation=MOST", "gradients of"),
        ("ldm finetune --ldm m --data set --output o --warmup=MOST", "warm-up"),
        ("ldm finetune --ldm m --data set --output o --lora-rank=MOST", "--lora-rank"),
        ("ldm finetune --ldm m --data set --output o --lora-rank=4 --lora-alpha=inf", "alpha"),
        ("ldm finetune --ldm m --data set --output o --save-every=MOST", "--save-every"),
        ("ldm finetune --ldm m --data set --output o --log-every=-MOST", "--log-every"),
        ("ldm finetune --ldm m --data set --output o --max-gradient-norm=inf", "gradient norm"),
        ("ldm finetune --ldm m --data set --output o --ema-decay=nan", "decay"),
        ("ldm sample --prompt a -o a.png --steps=MOST", "--steps"),
        ("ldm sample --prompt a -o a.png --preview-every=MOST", "--preview-every"),
        ("ldm sample --prompt a -o a.png --count=-MOST", "--count"),
        ("ldm sample --prompt a -o a.png --eta=nan", "--eta"),
        ("ldm invert x.png -o out --steps=MOST", "--steps"), ("ldm invert x.png -o out --guidance=inf", "--guidance"),
        ("ldm edit x.png --to a -o out --steps=-MOST", "--steps"),
        ("ldm edit x.png --to a -o out --strength=nan", "--strength"),
        ("ldm edit x.png --to a -o out --guidance=nan", "--guidance"),
        ("ldm evaluate --images=MOST", "--images"), ("ldm sheet --steps=MOST", "--steps"),
        ("predict x.png --run r --top=-MOST", "--top"), ("predict x.png --run r --threads=MOST", "--threads"),
        ("sweep --dataset set --algorithms ERM --trials=MOST", "--trials"),
        ("sweep --dataset set --algorithms ERM --draws=MOST", "--draws"),
        ("sweep --dataset set --algorithms ERM --jobs=MOST", "--jobs"),
        (
            "sweep --dataset set --data-dir . --algorithms ERM --trials=10000 --draws=10000 --launcher dry-run",
            "runs; take fewer"
        ),
        ("store prune --store . --max-size=1e300GB", "max-size"),
        ("store prune --store . --max-size=nanGB", "max-size"),
        ("store prune --store . --unused-days=1e300", "--unused-days"),
        ("train --data set --test-domain c --steps=MOST", "steps"),
        ("train --data set --test-domain c --steps=-MOST", "steps"),
        ("train --data set --test-domain c --save-every=MOST", "saveEvery"),
        ("train --data set --test-domain c --batch-size=MOST", "batchSize"),
        ("train --data set --test-domain c --learning-rate=inf", "learningRate"),
        ("train --data set --test-domain c --seed=-MOST", "seed"),
        ("train --data set --test-domain c --draw=-MOST", "draw"),
        ("train --data set --test-domain c --average swad --set averaging.convergence=MOST", "convergence"),
        ("train --data set --test-domain c --average swad --set averaging.tolerance=MOST", "tolerance"),
        ("train --config share.yaml --data set --test-domain c", "share"),
        ("train --config candidates.yaml --data set --test-domain c", "candidates"),
        ("train --config epochs.yaml --data set --test-domain c", "everyEpochs"),
        ("train --config aliases.yaml --data set --test-domain c", "aliases.yaml: more than 100000 values"),
    ]

    /// In this process: what is refused here comes to no work.
    @Test func areRefusedByName() async throws {
        let program = try Program()
        try program.makeDataset()
        func settings(_ augmentation: String) -> String {
            """
            backbone: {weights: none}
            algorithm: {name: DomainFusion, hyperparameters: {augmentation: {\(augmentation)}, distillation: {mode: "off"}}}

            """
        }
        try program.write(settings("share: 0.9999999999999999, candidates: 1, steps: 2, budget: 2"), to: "share.yaml")
        try program.write(settings("candidates: \(Self.most)"), to: "candidates.yaml")
        try program.write(settings("everyEpochs: 1e-300"), to: "epochs.yaml")
        let levels = (1...9).map {
            "a\($0): &a\($0) [\([String](repeating: "*a\($0 - 1)", count: 10).joined(separator: ","))]\n"
        }
        try program.write("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + levels.joined(), to: "aliases.yaml")
        try program.write(Program.png(seed: 1), to: "x.png")

        for (line, wanted) in Self.commands {
            let arguments = line.split(separator: " ").map { word in
                let isFile = ["x.png", "set", "."].contains(word) || word.hasSuffix(".yaml")
                return isFile
                    ? FilePath.join(program.folder, String(word))
                    : word.replacingOccurrences(of: "MOST", with: Self.most)
            }
            let error = await #expect(throws: (any Error).self, "\(line)") { try await Self.run(arguments) }
            let message = error.map { $0 is UserError ? "\($0)" : DomainFusionCommand.message(for: $0) } ?? ""
            #expect(message.contains(wanted) && !message.contains("\n"), "\(line): \(message)")
        }
    }

    private static func run(_ arguments: [String]) async throws {
        var command = try DomainFusionCommand.command(arguments)
        if var working = command as? any AsyncParsableCommand {
            try await working.run()
        } else {
            try command.run()
        }
    }

    /// Numbers that are taken, as far out as they go, end in a result or in a line.
    @Test func areTakenWhereTheyCanBe() throws {
        let program = try Program()
        try program.makeDataset()
        for (number, settings) in [
            ["--save-every=1000000000", "--evaluate-every=1000000000", "--seed=\(Self.most)", "--draw=\(Self.most)"],
            ["--learning-rate=5e-324", "--set", "backbone.dropout=1", "--set", "backbone.layerDecay=0"],
            ["--learning-rate=1e300", "--weight-decay=1e300"],
            ["--average", "swad", "--set", "averaging.convergence=1000", "--set", "averaging.tolerance=1000"],
            ["--average", "swa", "--set", "averaging.start=0.9999999999999999", "--set", "averaging.ratio=1e300"],
            ["--algorithm", "Mixup", "--set", "algorithm.hyperparameters.alpha=1e-6"],
        ].enumerated() {
            let result = try program.run(
                [
                    "train", "--data", "set", "--test-domain", "c", "--weights", "none", "--image-size", "32",
                    "--batch-size", "2", "--steps", "2", "--threads", "1", "--device", "cpu", "--run-dir", "\(number)",
                ] + settings)
            #expect(result.status == 0 || result.isPlainError, "\(settings): \(result.status) \(result.errors)")
        }
    }
}
