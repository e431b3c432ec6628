import Foundation
import Foundations

/// Asks a server that speaks JSON, one request after the other on the calling thread. Follows no redirect, so that what it is
/// told reaches nobody else.
package final class JSONClient {
    /// Why a request brought no answer of use. Its description is a phrase without the server's address.
    package enum Failure: Error, Equatable, CustomStringConvertible {
        /// Nothing came: the server is down, slow, or out of reach.
        case noAnswer(String)
        /// Another status than success, and the JSON that came with it.
        case refused(Int, JSONValue?)
        /// The server leads to another address.
        case redirect(String)
        /// An answer that is not JSON, or too long.
        case garbage

        /// What happened, for people.
        package var description: String {
            switch self {
            case .noAnswer(let reason): "no answer (\(reason))"
            case .refused(let status, let answer):
                "answers \(status)" + (answer?["message"]?.string.map { ": \(shortened($0))" } ?? "")
            case .redirect(let address): "leads to \(shortened(address)); give that address"
            case .garbage: "answers what is no JSON; correct the address"
            }
        }
    }

    /// When the request under way began.
    private final class Clock {
        var start = DispatchTime.now()
    }

    private let address: String
    private let headers: [String]
    private let clock = Clock()
    private let http: HTTPClient

    /// Longest answer that is read, in bytes.
    private static let longest = 1 << 24

    /// - Parameters:
    ///   - address: what the paths of requests are put after, without a slash at its end.
    ///   - headers: lines that go with each request, such as `Authorization: …`.
    ///   - seconds: a request that takes longer is given up.
    ///   - poll: called about once a second; what it throws ends the request.
    package init(
        _ address: String, headers: [String], seconds: Double, poll: @escaping () throws -> Void = {}
    ) throws {
        self.address = address
        self.headers = headers
        do {
            http = try HTTPClient(stallSeconds: seconds) { [clock] in
                try poll()
                guard Double(DispatchTime.now().uptimeNanoseconds - clock.start.uptimeNanoseconds) < seconds * 1e9
                else {
                    throw Failure.noAnswer(String(format: "none within %.0f s", seconds))
                }
            }
        } catch {
            throw Failure.noAnswer("out of memory")
        }
    }

    /// Posts a value.
    /// - Throws: ``Failure``, or what `poll` throws.
    package func post(_ path: String, _ value: JSONValue) throws -> JSONValue {
        try ask(path, headers: ["Content-Type: application/json", "Expect:"], content: Array(value.text.utf8))
    }

    /// Asks for a path with a query.
    /// - Throws: ``Failure``, or what `poll` throws.
    package func get(_ path: String, _ query: [String: String]) throws -> JSONValue {
        let letters = CharacterSet.alphanumerics.intersection(CharacterSet(charactersIn: "\0"..."\u{7F}"))
            .union(CharacterSet(charactersIn: "-._~"))
        func escaped(_ text: String) -> String { text.addingPercentEncoding(withAllowedCharacters: letters) ?? "" }
        let pairs = query.sorted { $0.key < $1.key }.map { "\(escaped($0.key))=\(escaped($0.value))" }
        return try ask("\(path)?\(pairs.joined(separator: "&"))", headers: [], content: [])
    }

    private func ask(_ path: String, headers: [String], content: [UInt8]) throws -> JSONValue {
        clock.start = .now()
        var body: [UInt8] = []
        let head: HTTPHead
        do {
            head = try http.request(
                address + path, headers: self.headers + headers, content: content, accept: { _ in true }
            ) { bytes in
                guard body.count + bytes.count <= Self.longest else { throw Failure.garbage }
                body.append(contentsOf: bytes)
            }
        } catch let failure as HTTPClient.Failure {
            switch failure {
            case .unreachable(let reason), .broken(let reason), .refused(let reason): throw Failure.noAnswer(reason)
            }
        }
        if let redirect = head.redirect { throw Failure.redirect(redirect) }
        let answer = JSONValue(json: body)
        guard (200..<300).contains(head.status) else { throw Failure.refused(head.status, answer) }
        guard let answer else { throw Failure.garbage }
        return answer
    }
}
