import Diffusion
import DomainGeneralization

/// Settings of the composition `injection`: how much of an image's self-attention is the style's.
public struct InjectionSettings: Hyperparameters, Equatable {
    /// How many of the U-Net's decoder blocks with attention take over style, counted from that of the finest maps.
    public var blocks = AttentionInjection().blocks
    /// γ, the content's share in the queries.
    public var queryShare = AttentionInjection().queryShare
    /// τ, how much sharper attention to the style is.
    public var temperature = AttentionInjection().temperature

    /// Every setting at its default, those of StyleID.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("blocks", \.blocks, "decoder blocks that take over style, from the finest on", .within(0...16)),
        Setting(
            "queryShare", \.queryShare, "share of the content's queries, the rest is the new image's", .within(0...1)),
        Setting("temperature", \.temperature, "sharpness of attention to the style; 1 is the model's", .above(0)),
    ]

    var attention: AttentionInjection {
        AttentionInjection(blocks: blocks, queryShare: queryShare, temperature: temperature)
    }
}
