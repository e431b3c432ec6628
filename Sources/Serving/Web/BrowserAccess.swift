import Foundations
import Hummingbird

/// What a server does beside answering where people open it in a browser.
///
/// An address with `?token=TOKEN` is answered with a cookie and the same address without the token, so that links work and
/// the token stays out of the history. What changes something is refused where another site asks for it.
package struct BrowserAccess: Sendable {
    /// Headers of every response.
    let headers: HTTPFields
    /// Paths that need no token.
    let openPaths: Set<String>
    /// What who shows no token is told.
    let missingToken: String
    /// What a person sees in the place of the line of JSON that programs get.
    let refusal: @Sendable (WebError) -> Response

    /// - Parameters:
    ///   - headers: of every response, such as the content security policy.
    ///   - openPaths: what a page needs that says that the token is missing.
    package init(
        headers: HTTPFields, openPaths: Set<String>, missingToken: String,
        refusal: @escaping @Sendable (WebError) -> Response
    ) {
        self.headers = headers
        self.openPaths = openPaths
        self.missingToken = missingToken
        self.refusal = refusal
    }
}

/// Adds a server's headers to all that it answers.
struct BrowserHeaders: RouterMiddleware {
    let headers: HTTPFields

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        var response = try await next(request, context)
        for field in headers { response.headers[field.name] = field.value }
        return response
    }
}

/// Refuses what another site's page asks a browser to change here.
struct SameSiteGate: RouterMiddleware {
    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        guard request.method == .get || request.method == .head || Self.isOwn(request) else {
            throw WebError(.forbidden, "another site's page sent this; send it from a page of this server")
        }
        return try await next(request, context)
    }

    /// Programs that are no browsers send neither header.
    static func isOwn(_ request: Request) -> Bool {
        if let site = request.headers[.secFetchSite], site != "same-origin", site != "none" { return false }
        guard let origin = request.headers[.origin] else { return true }
        return request.head.authority.map { origin == "http://\($0)" || origin == "https://\($0)" } ?? false
    }
}
