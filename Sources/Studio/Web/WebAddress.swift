import Foundation

/// Addresses of this server.
enum WebAddress {
    private static let unreserved = CharacterSet(
        charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")

    /// A text as a part of an address, with nothing left that means something there.
    static func encoded(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: unreserved) ?? ""
    }

    /// The page of a run, or what hangs below it.
    /// - Parameter path: the run's, under the folder that is shown.
    static func run(_ path: String, _ action: String = "") -> String {
        let parts = ["runs"] + path.split(separator: "/").map { encoded(String($0)) } + (action.isEmpty ? [] : [action])
        return "/" + parts.joined(separator: "/")
    }

    /// The parts of an address's path behind `/runs/`, each decoded.
    /// - Returns: nil for what no run's address is: a part that is empty, no UTF-8, or holds a slash once it is decoded.
    static func parts(_ path: String) -> [String]? {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2)
        let decoded = parts.compactMap { $0.removingPercentEncoding }
        guard !decoded.isEmpty, decoded.count == parts.count,
            decoded.allSatisfy({ !$0.isEmpty && !$0.contains("/") && !$0.contains("\0") && $0 != "." && $0 != ".." })
        else { return nil }
        return decoded
    }

    /// An address with fields of a form behind it; empty ones are left out.
    static func with(_ path: String, _ fields: [(String, String)]) -> String {
        let text = fields.filter { !$0.1.isEmpty }.map { "\($0.0)=\(encoded($0.1))" }.joined(separator: "&")
        return text.isEmpty ? path : "\(path)?\(text)"
    }
}
