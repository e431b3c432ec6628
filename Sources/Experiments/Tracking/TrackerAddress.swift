import Foundation
import Foundations
import Hub

/// Where a run's figures are sent beside its folder: an MLflow server.
public struct TrackerAddress: Sendable, Equatable, CustomStringConvertible {
    /// The server's address without a slash at its end.
    public let url: String

    /// As it is written on a command line: `mlflow=http://127.0.0.1:5000`.
    public var description: String { "mlflow=\(url)" }

    /// Reads `mlflow=URL`.
    /// - Throws: `UserError` for another tracker, or what is no address of HTTP.
    public init(_ text: String) throws {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, parts[0] == "mlflow" else {
            throw UserError("'\(text)': no tracker; write mlflow=URL, as in mlflow=http://127.0.0.1:5000")
        }
        var url = parts[1]
        while url.hasSuffix("/") { url.removeLast() }
        guard url.utf8.allSatisfy({ $0 > 32 && $0 < 127 }), URLOrigin(url) != nil,
            let found = URLComponents(string: url)
        else { throw UserError("'\(text)': no address of HTTP; write mlflow=http://HOST:PORT or mlflow=https://HOST") }
        guard found.user == nil, found.password == nil else {
            // Not the text: it holds a secret.
            throw UserError(
                "mlflow=…: an address with a name and a password is seen by every user of this machine; set "
                    + "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD")
        }
        guard found.query == nil, found.fragment == nil else {
            throw UserError("'\(text)': has more than an address; leave out what begins with ? or #")
        }
        self.url = url
    }
}
