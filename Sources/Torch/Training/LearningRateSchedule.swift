import Foundation

/// Factor on the learning rate as a function of the step.
public enum LearningRateSchedule: Sendable, Equatable {
    /// Factor 1 throughout.
    case constant
    /// Rises linearly over the first steps, then constant.
    case warmup(steps: Int)
    /// Rises over `warmup` steps, then follows half a cosine down to `floor` at `total`.
    case cosine(warmup: Int = 0, total: Int, floor: Double = 0)
    /// Rises over `warmup` steps, constant, then linearly to `floor` over the last `decay` share of `total` steps.
    case trapezoid(warmup: Int = 0, total: Int, decay: Double = 0.2, floor: Double = 0)

    /// How the rate goes on after its warm-up; the names are those of diffusers' training scripts.
    public enum Shape: String, Sendable, Codable, CaseIterable {
        /// The rate stays where it is.
        case constant
        /// Falls evenly, to 0 after the last step.
        case linear
        /// Follows half a cosine, to 0 after the last step.
        case cosine
    }

    /// A schedule of a whole training.
    /// - Parameters:
    ///   - steps: of the training.
    ///   - warmup: steps over which the rate rises, at most `steps`.
    public init(_ shape: Shape, steps: Int, warmup: Int = 0) {
        self =
            switch shape {
            case .constant: .warmup(steps: warmup)
            case .cosine: .cosine(warmup: warmup, total: steps)
            case .linear: .trapezoid(warmup: warmup, total: steps, decay: Double(steps - warmup) / Double(steps))
            }
    }

    /// The factor for a step, counted from 0.
    public func factor(_ step: Int) -> Double {
        func rise(_ warmup: Int) -> Double { warmup > 0 ? min(1, Double(step + 1) / Double(warmup)) : 1 }
        switch self {
        case .constant: return 1
        case .warmup(let steps): return rise(steps)
        case .cosine(let warmup, let total, let floor):
            if step < warmup { return rise(warmup) }
            let progress = min(1, Double(step - warmup) / Double(max(1, total - warmup)))
            return floor + (1 - floor) * 0.5 * (1 + cos(.pi * progress))
        case .trapezoid(let warmup, let total, let decay, let floor):
            let length = max(1, decay * Double(total))
            let remaining = max(0, Double(total - step) / length)
            return rise(warmup) * (floor + (1 - floor) * min(1, remaining))
        }
    }
}
