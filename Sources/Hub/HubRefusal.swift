import Diffusion

/// An answer of a server that is none of what was asked for.
struct HubRefusal: Error {
    let head: HTTPHead
    /// Without its query, which may hold a secret.
    let url: String
    /// Whether the hub itself said so, not a server that it leads to.
    let isHub: Bool

    init(_ head: HTTPHead, url: String, isHub: Bool) {
        self.head = head
        self.url = String(url.prefix { $0 != "?" })
        self.isHub = isHub
    }

    /// Whether the same request may succeed later. Another server's refusal can be an address that has expired.
    var isTransient: Bool { [408, 416, 429].contains(head.status) || head.status >= 500 || !isHub }

    /// What a request is for.
    enum Purpose {
        case revision, file(String)
    }

    /// One line with the remedy.
    func error(_ id: HubCache.ModelID, _ purpose: Purpose, _ settings: HubSettings) -> ModelError {
        ModelError(path: "\(id)", text(id, purpose, settings))
    }

    private func text(_ id: HubCache.ModelID, _ purpose: Purpose, _ settings: HubSettings) -> String {
        let page = "\(settings.endpoint)/\(id.name)"
        // Of the server's words only what a terminal takes as letters.
        let words = head["x-error-message"]?.unicodeScalars.filter { $0.value >= 32 && $0.value < 127 }.prefix(200)
        let said = words.map { " (\(String(String.UnicodeScalarView($0))))" } ?? ""
        let code = head["x-error-code"]
        guard isHub else { return "\(url) answers \(head.status)\(said); try again later" }
        if code == "GatedRepo" {
            return settings.token == nil
                ? "its licence must be accepted: log in at \(page), accept it, and set HF_TOKEN to a token of your "
                    + "account"
                : "your token may not read it: accept its licence at \(page) with the account that the token is of"
        }
        switch (head.status, code) {
        case (_, "RevisionNotFound"):
            return "no branch, tag or commit '\(id.revision)'; see \(page)/tree/main"
        case (404, _):
            if case .file(let path) = purpose, code != "RepoNotFound" {
                return "\(path) is missing at this revision; see \(page)/tree/\(id.revision)"
            }
            return "no such model at \(settings.endpoint), or no such revision; correct the name"
        case (401, _):
            return settings.token == nil
                ? "no such model at \(settings.endpoint), or a private one: correct the name, or set HF_TOKEN to a token "
                    + "that may read it"
                : "the token is refused\(said): correct HF_TOKEN, or the name of the model"
        case (403, _):
            return settings.token == nil
                ? "access is refused\(said): set HF_TOKEN to a token that may read it"
                : "access is refused\(said): accept the licence at \(page), or set HF_TOKEN to another token"
        case (429, _):
            return "\(settings.endpoint) answers too many requests (429); run again in some minutes: what has come is "
                + "kept"
        default:
            return "\(settings.endpoint) answers \(head.status)\(said); run again later: what has come is kept"
        }
    }
}
