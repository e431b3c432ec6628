/// The samplers by short names, as users choose them.
public enum SchedulerChoice: String, Codable, Sendable, CaseIterable {
    /// The one that the model's files name.
    case own
    /// Deterministic steps of DDIM (``DDIMScheduler``).
    case ddim
    /// The training's own walk, with fresh noise in every step (``DDPMScheduler``).
    case ddpm
    /// Pseudo linear multistep, Stable Diffusion's first sampler (``PNDMScheduler``).
    case pndm
    /// Euler's method over the noise levels (``EulerDiscreteScheduler``).
    case euler
    /// Euler's method with fresh noise in every step (``EulerAncestralDiscreteScheduler``).
    case eulerAncestral = "euler-ancestral"
    /// DPM-Solver++ of second order, for few steps (``DPMSolverMultistepScheduler``).
    case dpmSolver = "dpm++"
    /// A predictor and corrector, for few steps (``UniPCMultistepScheduler``).
    case unipc
    /// For latent consistency models, in one to eight steps (``LCMScheduler``).
    case lcm

    /// The choice of a short name, or of the name of a class in diffusers; nil for another.
    public init?(name: String) {
        guard let choice = Self.allCases.first(where: { $0.rawValue == name || $0.className == name }) else {
            return nil
        }
        self = choice
    }

    /// The short names, with commas between.
    public static let names = allCases.map(\.rawValue).joined(separator: ", ")

    /// The class in diffusers; nil for the model's own.
    public var className: String? {
        switch self {
        case .own: nil
        case .ddim: DDIMScheduler.className
        case .ddpm: DDPMScheduler.className
        case .pndm: PNDMScheduler.className
        case .euler: EulerDiscreteScheduler.className
        case .eulerAncestral: EulerAncestralDiscreteScheduler.className
        case .dpmSolver: DPMSolverMultistepScheduler.className
        case .unipc: UniPCMultistepScheduler.className
        case .lcm: LCMScheduler.className
        }
    }
}
