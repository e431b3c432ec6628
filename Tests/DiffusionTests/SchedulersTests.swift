import Foundation
import Foundations
import Testing
import Torch

@testable import Diffusion

/// The samplers compute what diffusers' schedulers compute.
struct SchedulersTests {
    /// A walk that diffusers has done (scripts/fixtures/schedulers.py).
    struct Walk: Sendable, CustomTestStringConvertible {
        let number: Int
        let className: String
        /// The file of settings, as JSON.
        let config: String
        let steps, skip: Int
        let eta, sigma: Double
        let timesteps: [Double]
        /// Whether diffusers' class noises clean samples.
        let noises: Bool
        /// Where its steps are in the tensors of all walks.
        let place: Range<Int>

        var testDescription: String { "\(number) \(className) \(steps)-\(skip) \(config)" }
    }

    static let walks: [Walk] = {
        guard let path = try? fixture("schedulers/walks.json"), let data = FileManager.default.contents(atPath: path),
            let list = try? JSONSerialization.jsonObject(with: data) as? [[String: Any]]
        else { return [] }
        var place = 0
        return list.enumerated().compactMap { number, json in
            guard let name = json["class"] as? String, let steps = json["steps"] as? Int,
                let skip = json["skip"] as? Int, let eta = json["eta"] as? Double, let sigma = json["sigma"] as? Double,
                let timesteps = json["timesteps"] as? [Double], let noises = json["noises"] as? Bool,
                let config = json["config"], let text = try? JSONSerialization.data(withJSONObject: config)
            else { return nil }
            let start = place
            place += timesteps.count - skip
            return Walk(
                number: number, className: name, config: String(decoding: text, as: UTF8.self), steps: steps,
                skip: skip,
                eta: eta, sigma: sigma, timesteps: timesteps, noises: noises, place: start..<place)
        }
    }()

    /// Largest difference, relative to the largest expected value.
    private func difference(_ found: Tensor, _ expected: Tensor) -> Double {
        guard found.count == expected.count else { return .infinity }
        let (found, expected) = (found.scalars(Double.self), expected.scalars(Double.self))
        let scale = expected.map(abs).max() ?? 1
        let largest = zip(found, expected).map { abs($0 - $1) }.max() ?? .infinity
        return largest.isFinite ? largest / max(scale, 1e-30) : .infinity
    }

    /// The settings, read from a file.
    private func config(_ json: String) throws -> SchedulerConfig {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        try AtomicFile.write(json, to: path)
        return try SchedulerConfig(path: path)
    }

    /// What the fixtures' maker takes for a model.
    private func model(_ x: Tensor, _ timestep: Double) -> Tensor {
        (0.8 * x + Tensor([Float(timestep) / 100]).sin()) / (1 + 0.5 * x * x)
    }

    @Test func hasAllFixtures() {
        #expect(Self.walks.count == 276)
        #expect(Self.walks.last?.place.upperBound == 1525)
        #expect(Set(Self.walks.map(\.className)) == Set(schedulerNames))
    }

    @Test(arguments: walks) func walksAsDiffusers(_ walk: Walk) throws {
        let tensors = try StateDict(safetensors: fixture("schedulers/walks.safetensors"))
        let samples = try #require(tensors["samples"])
        let originals = try #require(tensors["originals"])
        var scheduler = try makeScheduler(
            config(walk.config), name: walk.className, steps: walk.steps, eta: walk.eta)
        #expect(type(of: scheduler).className == walk.className)
        #expect(scheduler.timesteps.count == walk.timesteps.count)
        for (found, expected) in zip(scheduler.timesteps, walk.timesteps) {
            #expect(abs(found - expected) <= 1e-6 * max(expected, 1))
        }
        #expect(abs(scheduler.initNoiseSigma - walk.sigma) <= 1e-6 * walk.sigma)

        let generator = Generator(seed: UInt64(walk.number))
        let clean = Tensor.randn([1, 2, 2, 2], generator: generator)
        let noise = Tensor.randn([1, 2, 2, 2], generator: generator)
        let noisy = walk.noises ? scheduler.addNoise(to: clean, noise: noise, at: walk.skip) : clean
        #expect(try difference(noisy, #require(tensors["noisy"]).selected(0, walk.number)) < 1e-5)
        var sample = walk.skip == 0 ? noise * scheduler.initNoiseSigma : noisy
        for (index, place) in zip(walk.skip..<walk.timesteps.count, walk.place) {
            let output = model(scheduler.scaleModelInput(sample, at: index), scheduler.timesteps[index])
            let step = scheduler.step(output, at: index, sample: sample, generator: generator)
            let found = (
                difference(step.predictedOriginal, originals.selected(0, place)),
                difference(step.sample, samples.selected(0, place))
            )
            #expect(found.0 < 1e-5 && found.1 < 1e-5, "step \(index): x0 \(found.0), sample \(found.1)")
            sample = step.sample
        }
    }

    /// A walk that is left after any step goes on to the same samples from what the scheduler remembers.
    @Test(arguments: schedulerNames) func memoryIsAllThatCounts(_ name: String) throws {
        var config = SchedulerConfig.stableDiffusion
        config.className = name
        let first = Tensor.randn([1, 2, 2, 2], generator: Generator(seed: 1))
        func walk(stopAt stop: Int?) throws -> Tensor {
            var scheduler = try makeScheduler(config, steps: 6)
            let generator = Generator(seed: 2)
            var sample = first * scheduler.initNoiseSigma
            for index in scheduler.timesteps.indices {
                if index == stop {
                    let memory = scheduler.memory
                    scheduler = try makeScheduler(config, steps: 6)
                    scheduler.memory = memory
                }
                let output = model(scheduler.scaleModelInput(sample, at: index), scheduler.timesteps[index])
                sample = scheduler.step(output, at: index, sample: sample, generator: generator).sample
            }
            return sample
        }
        let whole = try walk(stopAt: nil)
        for stop in try makeScheduler(config, steps: 6).timesteps.indices {
            #expect(try difference(walk(stopAt: stop), whole) == 0)
        }
    }

    @Test func drawsNoiseOnlyWhereItSays() throws {
        for walk in Self.walks {
            var scheduler = try makeScheduler(
                config(walk.config), name: walk.className, steps: walk.steps, eta: walk.eta)
            var draws = 0
            var sample = Tensor.zeros([1, 2, 2, 2])
            for index in scheduler.timesteps.indices {
                sample =
                    scheduler.step(sample, at: index, sample: sample) {
                        draws += 1
                        return Tensor.zeros([1, 2, 2, 2])
                    }.sample
            }
            #expect(scheduler.isStochastic == (draws > 0), "\(walk.testDescription)")
        }
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
            let velocity: [Float]
        }
        let data = try Data(contentsOf: URL(fileURLWithPath: fixture("schedulers/schedules.json")))
        let schedules = try JSONDecoder().decode(Schedules.self, from: data)
        for expected in schedules.timesteps {
            var config = SchedulerConfig()
            config.timestepSpacing = expected.spacing
            let found = try DDIMScheduler(config, steps: expected.steps).timesteps
            #expect(found == expected.timesteps.map(Double.init), "\(expected.spacing) \(expected.steps)")
        }
        let generator = Generator(seed: 0)
        let (clean, noise) = (
            Tensor.randn([1, 2, 2, 2], generator: generator), Tensor.randn([1, 2, 2, 2], generator: generator)
        )
        var schedule = NoiseSchedule(.stableDiffusion)
        let velocity = schedule.velocity(of: clean, noise: noise, timesteps: [300])
        #expect(difference(velocity, Tensor(schedules.velocity)) < 1e-5)
        for (prediction, expected) in [(PredictionType.epsilon, noise), (.sample, clean), (.velocity, velocity)] {
            var config = SchedulerConfig.stableDiffusion
            config.predictionType = prediction
            schedule = NoiseSchedule(config)
            #expect(difference(schedule.target(original: clean, noise: noise, timesteps: [300]), expected) == 0)
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
        let config = SchedulerConfig()
        for spacing in [TimestepSpacing.leading, .trailing, .linspace] {
            for steps in 1...1000 {
                let timesteps = try spacing.timesteps(config, steps: steps)
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

        for (json, words) in [
            ("{\"beta_strat\": 0.1}", "unknown settings beta_strat"), ("{\"beta_schedule\": \"sigmoid\"}", "sigmoid"),
            ("{\"thresholding\": true}", "thresholding is true"), ("{\"trained_betas\": [0.1]}", "trained_betas"),
            ("{\"num_train_timesteps\": 0}", "out of range"), ("[]", "not a JSON object"),
            ("{\"_class_name\": \"HeunDiscreteScheduler\"}", "HeunDiscreteScheduler"),
            ("{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_order\": 3}", "solver_order is 3"),
            ("{\"_class_name\": \"DPMSolverMultistepScheduler\", \"algorithm_type\": \"dpmsolver\"}", "dpmsolver++"),
            ("{\"_class_name\": \"DPMSolverMultistepScheduler\", \"lambda_min_clipped\": -5.1}", "-5.1"),
            ("{\"_class_name\": \"DPMSolverMultistepScheduler\", \"solver_type\": \"rk4\"}", "solver_type is rk4"),
            ("{\"_class_name\": \"UniPCMultistepScheduler\", \"predict_x0\": false}", "predict_x0 is false"),
            ("{\"_class_name\": \"UniPCMultistepScheduler\", \"lower_order_final\": false}", "lower_order_final"),
            ("{\"_class_name\": \"EulerDiscreteScheduler\", \"use_beta_sigmas\": true}", "use_beta_sigmas is true"),
            ("{\"_class_name\": \"EulerDiscreteScheduler\", \"timestep_type\": \"continuous\"}", "continuous"),
            ("{\"_class_name\": \"PNDMScheduler\", \"prediction_type\": \"sample\"}", "prediction_type is sample"),
            ("{\"_class_name\": \"EulerAncestralDiscreteScheduler\", \"prediction_type\": \"sample\"}", "is sample"),
            ("{\"variance_type\": \"learned\"}", "learned"),
        ] {
            let text = message { _ = try self.config(json) }
            #expect(text.contains(words), "\(json): \(text)")
            #expect(text.contains(".json: ") && !text.contains("\n"), "\(text)")
        }
        // What the file's own sampler does not use is no mistake, but one of the samplers that use it.
        let foreign = try self.config("{\"_class_name\": \"DDIMScheduler\", \"use_beta_sigmas\": true}")
        #expect(
            message { _ = try makeScheduler(foreign, name: "EulerDiscreteScheduler", steps: 4) }
                .contains("use_beta_sigmas is true"))
        #expect(message { _ = try makeScheduler(config, name: "LCMScheduler", steps: 51) }.contains("1 to 50"))
        #expect(message { _ = try makeScheduler(config, name: "PNDMScheduler", steps: 3) }.contains("4 or more"))
        #expect(
            message { _ = try makeScheduler(config, name: "UniPCMultistepScheduler", steps: 1000) }
                .contains("choose fewer steps"))
        #expect(message { _ = try makeScheduler(config, name: "LCMScheduler", steps: 4, eta: 1) }.contains("eta"))
    }

    @Test func writesWhatItReads() throws {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID().uuidString).json").path
        defer { try? FileManager.default.removeItem(atPath: path) }
        for walk in Self.walks {
            let config = try self.config(walk.config)
            try config.write(to: path)
            #expect(try SchedulerConfig(path: path) == config)
        }
        // No settings of other samplers.
        var embedded = SchedulerConfig()
        embedded.betaSchedule = .squaredCosine
        embedded.clipSample = false
        embedded.disableCorrector = [1]
        try embedded.write(to: path)
        let written = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(
            (written as? [String: Any])?.keys.sorted() == [
                "_class_name", "beta_schedule", "clip_sample", "disable_corrector", "num_train_timesteps",
                "prediction_type",
            ])

        // All that diffusers writes of each class, its infinities too, is understood and changes nothing.
        for name in schedulerNames where name != "PNDMScheduler" {
            let saved = try SchedulerConfig(path: fixture("schedulers/saved/\(name).json"))
            var plain = SchedulerConfig()
            plain.className = name
            #expect(saved.className == name)
            let (a, b) = (try makeScheduler(saved, steps: 4), try makeScheduler(plain, steps: 4))
            #expect(a.timesteps == b.timesteps && a.initNoiseSigma == b.initNoiseSigma && a.schedule == b.schedule)
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
        #expect(try makeScheduler(config, steps: 50).timesteps.count == 51)
        config.className = "DDIMScheduler"
        config.skipPRKSteps = false
        #expect(config == .stableDiffusion)
    }
}
