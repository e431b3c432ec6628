/// A setting of a few values; another one is refused with the list of them.
public protocol SettingChoice: RawRepresentable, Codable, CaseIterable, Sendable where RawValue == String {}

extension SettingChoice {
    /// Reads the value's name.
    /// - Throws: an error that lists the values there are, for any other text.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Self(rawValue: text) else {
            let known = Self.allCases.map(\.rawValue).joined(separator: ", ")
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is none of \(known)")
        }
        self = value
    }
}
