/// A block of a ``UNet2DConditionModel``.
public enum UNetBlock: Hashable, Sendable, CustomStringConvertible {
    /// On the way down, from 0: diffusers' `down_blocks.N`.
    case down(Int)
    /// The block between the ways: `mid_block`.
    case mid
    /// On the way up, from 0, the one of the smallest maps: `up_blocks.N`.
    case up(Int)

    /// The block of a name: `down0`, `mid`, `up1`; nil for any other text.
    public init?(_ name: String) {
        if name == "mid" {
            self = .mid
        } else if name.hasPrefix("down"), let level = Int(name.dropFirst(4)), level >= 0 {
            self = .down(level)
        } else if name.hasPrefix("up"), let index = Int(name.dropFirst(2)), index >= 0 {
            self = .up(index)
        } else {
            return nil
        }
    }

    /// The block's name: `down0`, `mid`, `up1`.
    public var description: String {
        switch self {
        case .down(let level): "down\(level)"
        case .mid: "mid"
        case .up(let index): "up\(index)"
        }
    }
}
