import Experiments
import Foundations
import Hummingbird
import Serving

/// The frame of the studio's pages.
enum StudioPage {
    static let iconPath = "/assets/icon.svg"

    /// Two sets that share something.
    static let icon =
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><circle cx=\"12\" cy=\"16\" r=\"9\" "
        + "fill=\"#0072b2\"/><circle cx=\"20\" cy=\"16\" r=\"9\" fill=\"#c44f00\" fill-opacity=\".7\"/></svg>\n"

    /// What a browser may do with a page: nothing but what comes from here, and no script in the page itself.
    static let policy =
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        + "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

    static let headers: HTTPFields = [
        .contentSecurityPolicy: policy, .xContentTypeOptions: "nosniff",
        // Other sites learn nothing of addresses here; a form's sender is told to us alone.
        .referrerPolicy: "same-origin", .crossOriginResourcePolicy: "same-origin",
    ]

    /// A page.
    /// - Parameters:
    ///   - events: the address of its news.
    ///   - body: what stands below the line that leads to the list.
    static func html(_ title: String, isHome: Bool = false, events: String? = nil, _ body: [Markup]) -> String {
        let head = Markup.tag(
            "head", [],
            [
                .tag("meta", [("charset", "utf-8")], []),
                .tag("meta", [("name", "viewport"), ("content", "width=device-width, initial-scale=1")], []),
                .tag("title", [], "\(title) · DomainFusion"),
                .tag("link", [("rel", "stylesheet"), ("href", StudioStyle.path)], []),
                .tag("link", [("rel", "icon"), ("href", iconPath)], []),
                .tag("script", [("src", StudioScript.path), ("defer", "")], ""),
            ])
        let top = Markup.tag(
            "header", [("class", "top")],
            (isHome ? [] : [.tag("a", [("href", "/")], "All runs")])
                + (events.map { [.tag("span", [("class", "soft"), ("data-events", $0)], "Reload to see news.")] } ?? [])
        )
        return "<!doctype html>\n<html lang=\"en\">\(head.html)\(Markup.tag("body", [], [top] + body).html)</html>\n"
    }

    static func response(_ html: String, status: HTTPResponse.Status = .ok) -> Response {
        Response(text: html, type: "text/html; charset=utf-8", status: status)
    }

    /// What a person is told in the place of a page.
    static func refusal(_ error: WebError) -> Response {
        let words = plainText(error.message)
        let sentence = words.prefix(1).uppercased() + words.dropFirst() + "."
        return response(
            html(
                error.status.reasonPhrase,
                [
                    .tag(
                        "main", [],
                        [
                            .tag("h1", [], error.status.reasonPhrase),
                            .tag("p", [("class", "problem"), ("role", "alert")], sentence),
                        ])
                ]), status: error.status)
    }
}
