import Foundation
import Foundations
import Torch

extension SchedulerConfig {
    /// Reads a `scheduler_config.json`. Settings of other samplers are accepted, since a model may be sampled with any;
    /// a value that is not supported is refused by the samplers that would use it.
    ///
    /// - Throws: ``ModelError`` naming a setting that is unknown, or has a value that the file's own sampler needs and
    ///   that is not supported.
    public init(path: String) throws {
        var reader = try ConfigReader(path: path)
        func choice<Value: RawRepresentable<String>>(_ key: CodingKeys, _ type: Value.Type) throws -> Value? {
            let name = try reader.string(key.rawValue, "")
            guard !name.isEmpty else { return nil }
            guard let value = Value(rawValue: name) else {
                throw ModelError(path: path, "\(key.rawValue) is \"\(name)\", which is not supported")
            }
            return value
        }
        func int(_ key: CodingKeys, _ fallback: Int) throws -> Int { try reader.int(key.rawValue, fallback) }
        func bool(_ key: CodingKeys, _ fallback: Bool) throws -> Bool { try reader.bool(key.rawValue, fallback) }
        func double(_ key: CodingKeys) throws -> Double? {
            reader.has(key.rawValue) ? try reader.double(key.rawValue, 0) : nil
        }

        className = try reader.string(CodingKeys.className.rawValue, className)
        trainTimesteps = try int(.trainTimesteps, trainTimesteps)
        betaStart = try double(.betaStart)
        betaEnd = try double(.betaEnd)
        betaSchedule = try choice(.betaSchedule, BetaSchedule.self)
        predictionType = try choice(.predictionType, PredictionType.self) ?? predictionType
        timestepSpacing = try choice(.timestepSpacing, TimestepSpacing.self)
        stepsOffset = try int(.stepsOffset, stepsOffset)
        clipSample = reader.has(CodingKeys.clipSample.rawValue) ? try bool(.clipSample, false) : nil
        clipSampleRange = try double(.clipSampleRange) ?? clipSampleRange
        setAlphaToOne = reader.has(CodingKeys.setAlphaToOne.rawValue) ? try bool(.setAlphaToOne, false) : nil
        rescaleBetasZeroSNR = try bool(.rescaleBetasZeroSNR, rescaleBetasZeroSNR)
        varianceType = try choice(.varianceType, VarianceType.self)
        skipPRKSteps = try bool(.skipPRKSteps, skipPRKSteps)
        useKarrasSigmas = try bool(.useKarrasSigmas, useKarrasSigmas)
        sigmaMin = try double(.sigmaMin)
        sigmaMax = try double(.sigmaMax)
        finalSigma = try choice(.finalSigma, FinalSigma.self) ?? finalSigma
        solverOrder = try int(.solverOrder, solverOrder)
        let solver = try reader.string(CodingKeys.solverType.rawValue, "")
        solverType = solver.isEmpty ? nil : solver
        let algorithm = try reader.string(CodingKeys.algorithmType.rawValue, "")
        algorithmType = algorithm.isEmpty ? nil : algorithm
        lowerOrderFinal = try bool(.lowerOrderFinal, lowerOrderFinal)
        eulerAtFinal = try bool(.eulerAtFinal, eulerAtFinal)
        disableCorrector = try reader.ints(CodingKeys.disableCorrector.rawValue, disableCorrector)
        originalInferenceSteps = try int(.originalInferenceSteps, originalInferenceSteps)
        timestepScaling = try double(.timestepScaling) ?? timestepScaling

        for (key, value) in Self.onlyValues {
            unsupported[key] = reader.difference(key, from: value)
        }
        reader.ignore(Self.withoutEffect)
        try reader.finish()
        let (start, end) = (betaStart ?? 0.0001, betaEnd ?? 0.02)
        guard (1...1_000_000).contains(trainTimesteps), start > 0, end < 1, start <= end,
            (0..<trainTimesteps).contains(stepsOffset), clipSampleRange > 0, sigmaMin ?? 1 > 0, sigmaMax ?? 1 > 0,
            (1...trainTimesteps).contains(originalInferenceSteps), timestepScaling > 0
        else {
            throw ModelError(
                path: path, "timesteps, betas, offset, clip range or sigmas out of range; fetch the file again")
        }
        do {
            try samplerType(className).check(self)
        } catch let error as UserError {
            throw ModelError(path: path, error.message)
        }
    }

    /// Settings of diffusers that are supported at one value only.
    private static let onlyValues: [String: JSONValue] = [
        "trained_betas": .null, "thresholding": false, "use_exponential_sigmas": false, "use_beta_sigmas": false,
        "use_lu_lambdas": false, "use_flow_sigmas": false, "use_dynamic_shifting": false, "shift_terminal": .null,
        "interpolation_type": "linear", "timestep_type": "discrete", "lambda_min_clipped": .double(-.infinity),
        "predict_x0": true, "solver_p": .null,
    ]

    /// Settings in diffusers' files that have no effect beside those that are supported.
    private static let withoutEffect = [
        "dynamic_thresholding_ratio", "flow_shift", "sample_max_value", "set_alpha_to_zero", "time_shift_type",
    ]

    /// - Parameter keys: settings that a sampler uses, and that are supported at one value only.
    /// - Throws: `UserError` naming the setting of the file with another value.
    func refuse(_ keys: [String], by name: String) throws {
        for key in keys.sorted() {
            if let value = unsupported[key] {
                throw UserError("\(key) is \(value), which is not supported for \(name); choose another scheduler")
            }
        }
    }

    /// Writes the settings as diffusers reads them: those that are not the defaults, which other samplers may not know.
    ///
    /// - Throws: `FileFormatError` if the file cannot be written.
    public func write(to path: String) throws {
        let defaults = try SchedulerConfig().json
        let always = [CodingKeys.className, .trainTimesteps, .predictionType].map(\.rawValue)
        let changed = try json.filter { key, value in
            always.contains(key) || defaults[key] != value
        }
        try JSONFile.write(changed, to: path)
    }

    private var json: [String: JSONValue] {
        get throws { try JSONValue(encoding: self).object ?? [:] }
    }
}
