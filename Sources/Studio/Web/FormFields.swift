/// The fields of a form as a browser writes them into an address, or into a body of the type
/// `application/x-www-form-urlencoded`; names may repeat.
struct FormFields {
    /// More fields than any of our forms has.
    private static let most = 1000

    private let fields: [(name: String, value: String)]

    init(_ text: String) {
        fields = text.split(separator: "&").prefix(Self.most).map { field in
            let sides = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (Self.decoded(sides[0]), sides.count == 2 ? Self.decoded(sides[1]) : "")
        }
    }

    /// The first value of a field.
    subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

    /// All values of a field, in their order.
    func all(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

    private static func decoded(_ text: Substring) -> String {
        let spaced = String(text.replacing("+", with: " "))
        return spaced.removingPercentEncoding ?? spaced
    }
}
