/// What comes before the body of an HTTP answer.
struct HTTPHead: Sendable {
    let status: Int
    /// Values by lower-case names; of several lines of one name the last.
    let fields: [String: String]
    /// The whole address that it redirects to.
    var redirect: String?

    /// - Parameter lines: the status line, then `Name: value`.
    init(lines: [String]) {
        status = lines.first?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmed
        }
        self.fields = fields
    }

    subscript(name: String) -> String? { fields[name] }

    var isRedirect: Bool { [301, 302, 303, 307, 308].contains(status) }

    var contentLength: Int? { fields["content-length"].flatMap { Int($0) } }

    /// Where the bytes of a partial answer begin: 5 for `Content-Range: bytes 5-9/10`.
    var rangeStart: Int? {
        guard let match = fields["content-range"]?.firstMatch(of: /^bytes (\d+)-/) else { return nil }
        return Int(match.1)
    }

    /// The entity tag of a large file that the hub leads to: `X-Linked-ETag` without its marks.
    var linkedTag: String? {
        fields["x-linked-etag"].map { $0.replacing(/^W\//, with: "").replacing("\"", with: "") }
    }

    /// The address of the next page: `Link: <https://…>; rel="next"`.
    var nextPage: String? {
        fields["link"]?.firstMatch(of: /<([^>]+)>\s*;\s*rel="?next"?/).map { String($0.1) }
    }
}

extension StringProtocol {
    /// Without white space and line ends on both sides.
    var trimmed: String {
        var text = Substring(self)
        while text.first?.isWhitespace ?? false { text.removeFirst() }
        while text.last?.isWhitespace ?? false { text.removeLast() }
        return String(text)
    }
}
