import Foundations
import Hummingbird
import Metrics

/// Counts requests and times their answers.
struct RequestMetrics: RouterMiddleware {
    let metrics: any MetricsFactory

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        let response = try await next(request, context)
        let path = context.endpointPath.flatMap { $0.hasPrefix("/") ? $0 : nil } ?? "other"
        Counter(
            label: "http_requests_total", dimensions: [("path", path), ("status", "\(response.status.code)")],
            factory: metrics
        ).increment()
        Timer(label: "http_request_seconds", dimensions: [("path", path)], factory: metrics)
            .recordNanoseconds(start.duration(to: .now).nanoseconds)
        return response
    }
}

/// Makes one line of whatever ends a request early: as JSON, or for a person as a page.
struct ErrorAnswers: RouterMiddleware {
    let browser: BrowserAccess?

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        let refusal: WebError
        do {
            return try await next(request, context)
        } catch let error as WebError {
            refusal = error
        } catch let error as any HTTPResponseError {
            refusal =
                error.status == .notFound
                ? WebError(.notFound, "nothing is at this address")
                : WebError(error.status, "\(error.status.reasonPhrase)")
        } catch {
            Terminal.printError("error: \(request.method) \(context.endpointPath ?? ""): \(error)")
            refusal = WebError(.internalServerError, "the server could not do this; its log says why")
        }
        await context.reader.abandonUnread(request)
        var response: Response
        if let browser, request.headers[.accept]?.contains("text/html") == true {
            response = browser.refusal(refusal)
            response.headers.append(contentsOf: refusal.headers)
        } else {
            response = refusal.response(from: request, context: context)
        }
        if context.reader.hasAbandoned { response.headers[.connection] = "close" }
        return response
    }
}

/// Lets in who shows the token.
struct TokenGate: RouterMiddleware {
    let token: AccessToken
    let browser: BrowserAccess?

    func handle(
        _ request: Request, context: WebContext, next: (Request, WebContext) async throws -> Response
    ) async throws -> Response {
        let isInAddress = request.uri.queryParameters["token"].map { token.matches($0) } ?? false
        if isInAddress, browser != nil, isForPage(request) { return signedIn(request) }
        guard isInAddress || isOpen(request) else {
            throw WebError(
                .unauthorized,
                browser?.missingToken ?? "the token is missing or wrong; send it as 'Authorization: Bearer TOKEN'",
                headers: [.wwwAuthenticate: "Bearer"])
        }
        return try await next(request, context)
    }

    private func isOpen(_ request: Request) -> Bool {
        // What a supervisor asks is open: it has no token.
        if WebServer.openPaths.contains(request.uri.path) { return true }
        if browser?.openPaths.contains(request.uri.path) == true { return true }
        if let header = request.headers[.authorization] {
            let words = header.split(separator: " ")
            return words.count == 2 && words[0].lowercased() == "bearer" && token.matches(words[1])
        }
        return browser != nil && token.matches(cookies: request.headers[values: .cookie])
    }

    /// Whether a page may be what is asked for, and not news or JSON alone.
    private func isForPage(_ request: Request) -> Bool {
        guard request.method == .get else { return false }
        let types = request.headers[.accept] ?? "*/*"
        return types.contains("*/*") || types.contains("text/html")
    }

    /// Leads to the same address without the token, and leaves the cookie.
    private func signedIn(_ request: Request) -> Response {
        // Two slashes at the beginning would be another server.
        let path = "/" + request.uri.path.drop { $0 == "/" || $0 == "\\" }
        let rest = (request.uri.query ?? "").split(separator: "&").filter { !$0.hasPrefix("token=") }
        let (name, value) = token.cookie
        return Response(
            status: .seeOther,
            headers: [
                .location: rest.isEmpty ? path : "\(path)?\(rest.joined(separator: "&"))",
                .setCookie: "\(name)=\(value); Path=/; HttpOnly; SameSite=Strict", .cacheControl: "no-store",
            ])
    }
}

extension Duration {
    /// The duration in whole nanoseconds.
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }

    /// The duration in seconds.
    var seconds: Double { Double(nanoseconds) / 1e9 }
}
