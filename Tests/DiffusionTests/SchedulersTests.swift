import Foundation
import Testing
import Torch

@testable import Diffusion

/// The samplers compute what diffusers' schedulers compute.
struct SchedulersTests {
    /// One walk of each fixture: the settings, and the tensors of every step.
    static let walks: [String] = {
        let folder = (try? fixture("schedulers")) ?? ""
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return files.filter { $0.hasSuffix(".safetensors") }.map { String($0.dropLast(12)) }.sorted()
    }()

    /// Largest difference, relative to the largest expected value.
    private func difference(_ found: Tensor, _ expected: Tensor) -> Double {
        let (found, expected) = (found.scalars(Double.self), expected.scalars(Double.self))
        let scale = expected.map(abs).max() ?? 1
        return (zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity) / max(scale, 1e-30)
    }

    @Test func hasAllFixtures() { #expect(Self.walks.count == 24) }

    @Test(arguments: walks) func walksAsDiffusers(_ name: String) throws {
        let path = try fixture("schedulers/\(name).safetensors")
        let tensors = try StateDict(safetensors: path)
        let metadata = try SafetensorsHeader.parse(MappedFile(path: path)).metadata
        func tensor(_ name: String) throws -> Tensor { try #require(tensors[name]) }
        let config = try SchedulerConfig(path: fixture("schedulers/\(name).json"))
        let steps = try #require(metadata["steps"].flatMap(Int.init))
        var scheduler = try makeScheduler(config, steps: steps)
        #expect(type(of: scheduler).className == config.className)
        if var ddim = scheduler as? DDIMScheduler {
            ddim.eta = try #require(metadata["eta"].flatMap(Double.init))
            scheduler = ddim
        }
        #expect(try scheduler.timesteps == tensor("timesteps").scalars(Int.self))

        var sample = try tensor("start")
        let (outputs, noises) = try (tensor("outputs"), tensor("noises"))
        let (samples, originals) = try (tensor("samples"), tensor("originals"))
        for index in scheduler.timesteps.indices {
            #expect(scheduler.scaleModelInput(sample, at: index) === sample)
            let step = scheduler.step(outputs.selected(0, index), at: index, sample: sample) {
                noises.selected(0, index)
            }
            #expect(difference(step.predictedOriginal, originals.selected(0, index)) < 1e-5, "step \(index)")
            #expect(difference(step.sample, samples.selected(0, index)) < 1e-5, "step \(index)")
            sample = step.sample
        }
        guard config.className != DDIMInverseScheduler.className else { return }
        let timesteps = try tensor("training_timesteps").scalars(Int.self)
        let (start, noise) = try (tensor("start"), noises.selected(0, 0) + 1)
        let noisy = scheduler.addNoise(to: start, noise: noise, timesteps: timesteps)
        #expect(try difference(noisy, tensor("noisy")) < 1e-5)
        let velocity = scheduler.schedule.velocity(of: start, noise: noise, timesteps: timesteps)
        #expect(try difference(velocity, tensor("velocity")) < 1e-5)
        let target = scheduler.schedule.target(original: start, noise: noise, timesteps: timesteps)
        let expected =
            switch config.predictionType {
            case .epsilon: noise
            case .sample: start
            case .velocity: velocity
            }
        #expect(difference(target, expected) == 0)
    }

    @Test func schedulesAsDiffusers() throws {
        struct Schedules: Decodable {
            struct Timesteps: Decodable {
                let spacing: TimestepSpacing
                let steps: Int
                let timesteps: [Int]
            }
            let timesteps: [Timesteps]
            let alphas: [String: [Float]]
        }
        let data = try Data(contentsOf: URL(fileURLWithPath: fixture("schedulers/schedules.json")))
        let schedules = try JSONDecoder().decode(Schedules.self, from: data)
        for expected in schedules.timesteps {
            var config = SchedulerConfig()
            config.timestepSpacing = expected.spacing
            let found = try DDIMScheduler(config, steps: expected.steps).timesteps
            #expect(found == expected.timesteps, "\(expected.spacing) \(expected.steps)")
        }
        for (name, expected) in schedules.alphas {
            var config = name == "scaled_linear" || name == "zero_snr" ? SchedulerConfig.stableDiffusion : .init()
            if name == "squaredcos_cap_v2" { config.betaSchedule = .squaredCosine }
            config.rescaleBetasZeroSNR = name == "zero_snr"
            let alphas = NoiseSchedule(config).alphasCumprod
            #expect(alphas.count == 1000)
            for (index, value) in zip([0, 1, 2, 100, 250, 499, 500, 750, 981, 998, 999], expected) {
                #expect(abs(alphas[index] - value) <= 2e-6 * value, "\(name) \(index): \(alphas[index]) \(value)")
            }
        }
    }

    /// For every number of steps: so many timesteps, in range and falling.
    @Test func spacesAnyNumberOfSteps() throws {
        var config = SchedulerConfig()
        for spacing in [TimestepSpacing.leading, .trailing, .linspace] {
            config.timestepSpacing = spacing
            for steps in 1...1000 {
                let timesteps = try config.timestepSpacing.timesteps(config, steps: steps)
                #expect(timesteps.count == steps)
                #expect(timesteps.allSatisfy { (0..<1000).contains($0) })
                #expect(zip(timesteps, timesteps.dropFirst()).allSatisfy { $0 < $1 })
            }
        }
    }

    @Test func inversionLeadsBack() throws {
        // A model that predicts the same noise everywhere makes the walk exactly reversible.
        let generator = Generator(seed: 0)
        let (start, noise) = (
            Tensor.randn([1, 4, 2, 2], generator: generator), Tensor.randn([1, 4, 2, 2], generator: generator)
        )
        var inverse = try DDIMInverseScheduler(.stableDiffusion, steps: 10)
        var forward = try DDIMScheduler(.stableDiffusion, steps: 10)
        var sample = start
        for index in inverse.timesteps.indices {
            sample = inverse.step(noise, at: index, sample: sample, generator: generator).sample
        }
        for index in forward.timesteps.indices {
            sample = forward.step(noise, at: index, sample: sample, generator: generator).sample
        }
        #expect(difference(sample, start) < 1e-4)
    }

    @Test func refusesWhatCannotBe() throws {
        func message(_ body: () throws -> Void) -> String {
            do {
                try body()
                return "no error"
            } catch {
                return "\(error)"
            }
        }
        let config = SchedulerConfig.stableDiffusion
        #expect(message { _ = try DDIMScheduler(config, steps: 0) }.contains("choose 1 to 1000"))
        #expect(message { _ = try DDPMScheduler(config, steps: 1001) }.contains("choose 1 to 1000"))
        #expect(message { _ = try DDIMScheduler(config, steps: 1000) }.contains("choose fewer steps"))
        var linspace = config
        linspace.timestepSpacing = .linspace
        #expect(message { _ = try DDIMInverseScheduler(linspace, steps: 4) }.contains("leading or trailing"))
        #expect(message { _ = try makeScheduler(config, name: "DDIMSchduler", steps: 4) }.contains("DDIMScheduler"))

        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        for (json, words) in [
            ("{\"beta_strat\": 0.1}", "beta_strat"), ("{\"beta_schedule\": \"sigmoid\"}", "sigmoid"),
            ("{\"thresholding\": true}", "thresholding"), ("{\"trained_betas\": [0.1]}", "trained_betas"),
            ("{\"num_train_timesteps\": 0}", "out of range"), ("[]", "not a JSON object"),
        ] {
            try AtomicFile.write(json, to: path)
            #expect(message { _ = try SchedulerConfig(path: path) }.contains(words), "\(json)")
        }
    }

    @Test func writesWhatItReads() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        for name in Self.walks {
            let config = try SchedulerConfig(path: fixture("schedulers/\(name).json"))
            try config.write(to: path)
            #expect(try SchedulerConfig(path: path) == config)
        }
        // As Stable Diffusion 1.5 ships it.
        let pndm = """
            {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0", "beta_end": 0.012,
             "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000,
             "set_alpha_to_one": false, "skip_prk_steps": true, "steps_offset": 1, "trained_betas": null,
             "clip_sample": false}
            """
        try AtomicFile.write(pndm, to: path)
        var config = try SchedulerConfig(path: path)
        #expect(try makeScheduler(config, name: "DDIMScheduler", steps: 50).timesteps.first == 981)
        config.className = "DDIMScheduler"
        #expect(config == .stableDiffusion)
    }
}
