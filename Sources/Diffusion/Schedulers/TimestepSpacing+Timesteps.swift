import Foundations
import Torch

extension TimestepSpacing {
    /// `steps` timesteps in ascending order.
    ///
    /// - Throws: `UserError` if there are not so many timesteps.
    func timesteps(_ config: SchedulerConfig, steps: Int) throws -> [Int] {
        let total = config.trainTimesteps
        try Self.check(steps, total)
        let timesteps: [Int]
        switch self {
        case .leading: timesteps = (0..<steps).map { $0 * (total / steps) + config.stepsOffset }
        case .linspace:
            let distance = Double(total - 1) / Double(max(steps - 1, 1))
            timesteps = (0..<steps).map { Int((Double($0) * distance).rounded(.toNearestOrEven)) }
        case .trailing: timesteps = Self.trailing(total, steps)
        }
        return try Self.checked(timesteps, config, steps)
    }

    /// `steps` timesteps in ascending order, without the lowest of `steps + 1`: of the solvers of higher order.
    ///
    /// - Throws: `UserError` if there are not so many different timesteps.
    func solverTimesteps(_ config: SchedulerConfig, steps: Int) throws -> [Int] {
        let total = config.trainTimesteps
        try Self.check(steps, total)
        let timesteps: [Int]
        switch self {
        case .leading: timesteps = (1...steps).map { $0 * (total / (steps + 1)) + config.stepsOffset }
        case .linspace:
            let distance = Double(total - 1) / Double(steps)
            timesteps = (1...steps).map { Int((Double($0) * distance).rounded(.toNearestOrEven)) }
        case .trailing: timesteps = Self.trailing(total, steps)
        }
        guard zip(timesteps, timesteps.dropFirst()).allSatisfy({ $0 < $1 }) else {
            throw UserError("\(steps) sampling steps of \(total) training timesteps: choose fewer steps")
        }
        return try Self.checked(timesteps, config, steps)
    }

    private static func trailing(_ total: Int, _ steps: Int) -> [Int] {
        // The rounded difference, not the exact one: some halves would fall to the other side.
        let distance = Double(total) - (Double(total) - Double(total) / Double(steps))
        return (0..<steps).reversed().map {
            Int((Double(total) - Double($0) * distance).rounded(.toNearestOrEven)) - 1
        }
    }

    static func check(_ steps: Int, _ total: Int) throws {
        guard (1...total).contains(steps) else {
            throw UserError("\(steps) sampling steps: choose 1 to \(total), the number of training timesteps")
        }
    }

    private static func checked(_ timesteps: [Int], _ config: SchedulerConfig, _ steps: Int) throws -> [Int] {
        guard let last = timesteps.last, last < config.trainTimesteps else {
            throw UserError(
                "\(steps) sampling steps with offset \(config.stepsOffset) leave the \(config.trainTimesteps) training "
                    + "timesteps: choose fewer steps")
        }
        return timesteps
    }
}
