import Diffusion

/// The samplers by short names; the names of diffusers' classes are understood, too.
enum SchedulerChoice: String, CaseIterable {
    case ddim, ddpm, pndm, euler
    case eulerAncestral = "euler-ancestral"
    case dpmSolver = "dpm++"
    case unipc, lcm

    init?(name: String) {
        guard let choice = Self.allCases.first(where: { [$0.rawValue, $0.className].contains(name) }) else {
            return nil
        }
        self = choice
    }

    static let names = allCases.map(\.rawValue).joined(separator: ", ")

    /// The class in diffusers.
    var className: String {
        switch self {
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
