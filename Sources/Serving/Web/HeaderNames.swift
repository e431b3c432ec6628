import Hummingbird

/// Headers that the library has no names for.
extension HTTPFields.Element.Name {
    package static let crossOriginResourcePolicy = Self("Cross-Origin-Resource-Policy")!
    package static let lastEventID = Self("Last-Event-ID")!
    package static let referrerPolicy = Self("Referrer-Policy")!
    package static let secFetchSite = Self("Sec-Fetch-Site")!
}
