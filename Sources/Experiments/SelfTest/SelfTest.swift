import Foundations
import Torch

/// Whether the toolkit computes on a device what it computes on the CPU in double precision: layers, backbones with their gradients,
/// the optimiser, and the parts of a diffusion model, on fresh weights that are the same everywhere.
public struct SelfTest: Sendable {
    /// What was found of one part in one precision.
    public struct Finding: Sendable {
        /// What was computed.
        public let part: String
        /// The precision that it was computed in.
        public let dtype: DType
        /// The largest difference of a number, as a share of the largest number of its kind; infinite where there is none to compare.
        public let difference: Double
        /// How large it may be.
        public let limit: Double
        /// Whether it holds.
        public var holds: Bool { difference <= limit }
    }

    private let device: Device

    /// The test of a device.
    public init(_ device: Device) { self.device = device }

    /// How far a number may be off in a precision: as far as a gradient is where rounding takes an activation over its kink. CUDA's
    /// convolutions compute in TF32 by default, with ten bits.
    private func limit(_ dtype: DType) -> Double {
        switch dtype {
        case .float16: 2e-2
        case .bfloat16: 1e-1
        default: device.kind == .cpu ? 1e-3 : 5e-3
        }
    }

    /// Computes all parts.
    /// - Parameter report: told of each finding as it comes.
    /// - Throws: `TorchError` where the device cannot compute a part at all, such as for lack of memory.
    public func run(report: (Finding) -> Void) throws -> [Finding] {
        var findings: [Finding] = []
        for part in SelfTestPart.all {
            let exact = try withTorchErrors { try part.results(.init(device: .cpu, dtype: .float64)) }
            let low: [DType] =
                part.isLowPrecisionToo ? (device.kind == .cpu ? [.bfloat16] : [.bfloat16, .float16]) : []
            for dtype in [.float32] + low {
                let own = try withTorchErrors { try part.results(.init(device: device, dtype: dtype)) }
                let finding = Finding(
                    part: part.name, dtype: dtype, difference: Self.difference(own, exact), limit: limit(dtype))
                report(finding)
                findings.append(finding)
            }
        }
        return findings
    }

    static func difference(_ own: [Tensor], _ exact: [Tensor]) -> Double {
        guard own.map(\.shape) == exact.map(\.shape), !own.isEmpty else { return .infinity }
        return zip(own, exact).map { own, exact in
            let share = (own - exact).abs().max().item() / exact.abs().max().item()
            return share.isFinite ? share : .infinity
        }.max() ?? .infinity
    }
}
