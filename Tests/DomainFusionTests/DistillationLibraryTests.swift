import Diffusion
import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

@testable import DomainFusion

/// What the store keeps of latent distillation, and of which model.
@Suite struct DistillationLibraryTests {
    private func settings(_ change: (inout LatentDistillationSettings) -> Void = { _ in }) -> LatentDistillationSettings
    {
        var settings = LatentDistillationSettings()
        (settings.nodes, settings.draws) = (3, 2)
        change(&settings)
        return settings
    }

    private var image: RGBImage {
        RGBImage(width: 16, height: 16, pixels: (0..<768).map { UInt8($0 * 7 % 256) })
    }

    /// Two curves of an image differ by what they are told to differ in, not by the noise: under the empty prompt every
    /// guidance is the same.
    @Test func curvesOfAnImageShareTheirNoise() throws {
        try withTemporaryFolder { folder in
            let model = try tinyModel("sd1")
            var ledger = Ledger()
            let curves = try [1.0, 3.0].map { guidance in
                let distillation = LatentDistillation(FrozenDenoiser(model), settings { $0.guidanceScale = guidance })
                return try DistillationLibrary(distillation, store: ContentStore(folder))
                    .curve(image, prompt: "", ledger: &ledger).values
            }
            #expect(ledger.unetEvaluations == 3 * 2 * 3)
            let scale = curves[0].map(abs).max() ?? 0
            #expect(scale > 0 && zip(curves[0], curves[1]).allSatisfy { abs($0 - $1) < 1e-3 * scale }, "\(curves)")
        }
    }

    /// The weights' files, whatever their form, and what was changed in memory.
    @Test func fingerprintsTellModelsApart() throws {
        try withTemporaryFolder { folder in
            let copy = "\(folder)/model"
            try FileManager.default.copyItem(atPath: tinyModel("sd1").path, toPath: copy)
            let first = try LatentDiffusionModel(path: copy)
            let hash = try first.fingerprint()
            #expect(try tinyModel("sd1").fingerprint() == hash)
            try Data([1]).write(to: URL(fileURLWithPath: "\(copy)/unet/diffusion_pytorch_model.bin"))
            #expect(try first.fingerprint() != hash)

            // Another autoencoder, or the same one elsewhere; another precision.
            let path = try tinyModel("sd1").path
            func other(_ vae: String) throws -> String {
                try LatentDiffusionModel(path: path, vaeFolder: vae).fingerprint()
            }
            let plain = try tinyModel("sd1").fingerprint()
            #expect(try other("\(path)/vae") == plain && other("\(path)/../taesd") != plain)
            #expect(try LatentDiffusionModel(path: path, dtype: .bfloat16).fingerprint() != plain)

            let merged = try tinyModel("sd1")
            let lora = "\((merged.path as NSString).deletingLastPathComponent)/lora"
            try merged.merge(LoRAFile(path: lora))
            let other = try tinyModel("sd1")
            try other.merge(LoRAFile(path: lora), scale: 0.5)
            #expect(try Set([hash, merged.fingerprint(), other.fingerprint()]).count == 3)
        }
    }

    /// Differences of a VAE in bfloat16 are rounding.
    @Test func refusesNarrowPrecision() throws {
        try withTemporaryFolder { folder in
            let path = try tinyModel("sd1").path
            func library(_ dtype: DType, vae: DType?, _ settings: LatentDistillationSettings) throws {
                let model = try LatentDiffusionModel(path: path, dtype: dtype, vaeDType: vae)
                _ = try DistillationLibrary(
                    LatentDistillation(FrozenDenoiser(model), settings), store: ContentStore(folder))
            }
            #expect { try library(.bfloat16, vae: nil, settings()) } throws: {
                "\($0)".contains("needs the VAE in float32")
            }
            try library(.bfloat16, vae: .float32, settings())
            #expect {
                try library(.bfloat16, vae: .float32, settings { $0.objective = .full })
            } throws: { "\($0)".contains("set ldmDtype to float32") }
        }
    }

    @Test func refusesSettingsThatDoNotGoTogether() {
        func problem(_ change: (inout LatentDistillationSettings) -> Void) -> String? {
            #expect(throws: UserError.self) { try settings(change).validate(path: "ld") }.map { "\($0)" }
        }
        #expect(
            problem {
                $0.mode = .autograd
                $0.control = .shuffled
            }?.hasPrefix("ld.control: must be none in mode autograd") == true)
        #expect(
            problem {
                $0.mode = .latentCurve
                $0.objective = .full
            } == "ld.objective: must be distillation in mode latent-curve")
    }
}
