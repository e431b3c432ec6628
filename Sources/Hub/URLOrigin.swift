import Foundation

/// Scheme, host and port of an address: who is asked. A token for one is not for another.
package struct URLOrigin: Hashable {
    /// Lower case.
    package let scheme: String
    /// Lower case.
    package let host: String
    /// The number, also where the address leaves it out.
    package let port: Int

    /// Nil for what is no address of HTTP.
    package init?(_ url: String) {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased(),
            let standard = ["http": 80, "https": 443][scheme], let host = parts.host?.lowercased(), !host.isEmpty
        else { return nil }
        self.scheme = scheme
        self.host = host
        port = parts.port ?? standard
    }
}
