/// What settings that are right each by itself must not be together.
///
///     static let rules: [SettingRule<Self>] = [
///         SettingRule("low") { $0.low < $0.high ? nil : "must be below high" }
///     ]
public struct SettingRule<Group>: Sendable {
    /// The setting that an error names.
    public let setting: String
    /// What is wrong with it: "must be below high"; nil for nothing.
    public let refusal: @Sendable (Group) -> String?

    /// A rule that names a setting; `refusal` says what is wrong, or nil.
    public init(_ setting: String, _ refusal: @escaping @Sendable (Group) -> String?) {
        self.setting = setting
        self.refusal = refusal
    }
}
