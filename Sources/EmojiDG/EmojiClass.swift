/// The ten classes of EmojiDG.
///
/// Each is a union of Unicode subgroups. The list is kept with Unicode's oddities: footprints are a `person`, umbrellas
/// are `nature`, a barber pole is a `building`.
public enum EmojiClass: String, CaseIterable, Sendable, Codable {
    /// Mammals, birds, fish and bugs.
    case animal
    /// Houses, landmarks and what stands on streets.
    case building
    /// Clothes, shoes and bags.
    case clothing
    /// Faces, smileys among them.
    case face
    /// Fruit, meals and drinks.
    case food
    /// Hands and their gestures.
    case hand
    /// Plants, weather and sky.
    case nature
    /// People, whole or at work.
    case person
    /// Tools, machines and instruments.
    case tool
    /// What drives, sails or flies.
    case vehicle

    /// The class of a subgroup of `emoji-test.txt`; nil for a subgroup outside the ten classes.
    public init?(subgroup: String) {
        guard let found = Self.bySubgroup[subgroup] else { return nil }
        self = found
    }

    /// The subgroups of `emoji-test.txt` (Unicode 15.0) that make up the class.
    public var subgroups: [String] {
        switch self {
        case .animal:
            [
                "animal-mammal", "animal-bird", "animal-amphibian", "animal-reptile", "animal-marine", "animal-bug",
            ]
        case .building:
            ["place-building", "place-religious", "place-other"]
        case .clothing:
            ["clothing"]
        case .face:
            [
                "face-smiling", "face-affection", "face-tongue", "face-hand", "face-neutral-skeptical", "face-sleepy",
                "face-unwell", "face-hat", "face-glasses", "face-concerned", "face-negative", "face-costume",
                "cat-face", "monkey-face",
            ]
        case .food:
            [
                "food-fruit", "food-vegetable", "food-prepared", "food-asian", "food-marine", "food-sweet", "drink",
                "dishware",
            ]
        case .hand:
            [
                "hand-fingers-open", "hand-fingers-partial", "hand-single-finger", "hand-fingers-closed", "hands",
                "hand-prop",
            ]
        case .nature:
            ["plant-flower", "plant-other", "sky & weather"]
        case .person:
            [
                "person", "person-gesture", "person-role", "person-fantasy", "person-activity", "person-sport",
                "person-resting", "person-symbol",
            ]
        case .tool:
            [
                "sound", "music", "musical-instrument", "phone", "computer", "light & video", "book-paper", "money",
                "mail", "writing", "office", "lock", "tool", "science", "medical", "household", "other-object",
            ]
        case .vehicle:
            ["transport-ground", "transport-water", "transport-air"]
        }
    }

    private static let bySubgroup = Dictionary(
        uniqueKeysWithValues: allCases.flatMap { kind in kind.subgroups.map { ($0, kind) } })
}
