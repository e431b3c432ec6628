import Diffusion
import Foundation

/// Requests to the hub about one model: with its token, with redirects, and again after failures that pass.
final class HubClient {
    private let id: HubCache.ModelID
    private let settings: HubSettings
    private let origin: URLOrigin?
    private let http: HTTPClient
    private let retries: RetryPolicy
    private let note: (String) -> Void
    private let poll: () throws -> Void
    private var hasAnswered = false

    /// Longest answer that is kept in memory, in bytes: a list of a hundred thousand files is shorter.
    private static let longestText = 64 << 20
    private static let mostRedirects = 10

    /// - Parameters:
    ///   - note: told in one line why a request is made again.
    ///   - poll: called about once a second; what it throws ends the work.
    init(
        _ id: HubCache.ModelID, settings: HubSettings, retries: RetryPolicy, stallSeconds: Double,
        note: @escaping (String) -> Void, poll: @escaping () throws -> Void
    ) throws {
        self.id = id
        self.settings = settings
        self.retries = retries
        self.note = note
        self.poll = poll
        origin = URLOrigin(settings.endpoint)
        http = try HTTPClient(stallSeconds: stallSeconds, poll: poll)
    }

    // MARK: Requests

    private struct RevisionInfo: Decodable {
        let sha: String
    }

    /// The commit that the id's revision stands for.
    func commit() throws -> String {
        let revision = Self.escaped(id.revision, keeping: "")
        let (text, _) = try text("\(settings.endpoint)/api/models/\(id.name)/revision/\(revision)")
        guard let info = try? JSONDecoder().decode(RevisionInfo.self, from: text),
            info.sha.wholeMatch(of: /[0-9a-f]{40}/) != nil
        else { throw strange("no commit for '\(id.revision)'") }
        return info.sha
    }

    /// All files of a commit by their paths.
    func files(_ commit: String) throws -> [String: RepositoryFile] {
        var files: [String: RepositoryFile] = [:]
        var next: String? = "\(settings.endpoint)/api/models/\(id.name)/tree/\(commit)?recursive=true"
        var pages = 0
        while let page = next {
            let (text, head) = try text(page)
            guard let entries = try? JSONDecoder().decode([RepositoryFile.Entry].self, from: text) else {
                throw strange("no list of files")
            }
            for entry in entries {
                guard RepositoryFile.isSafe(entry.path) else {
                    throw ModelError(
                        path: "\(id)",
                        "the list of its files has the path \(entry.path.prefix(80).debugDescription), which leads out of the cache; "
                            + "nothing is fetched")
                }
                if let file = RepositoryFile(entry) { files[file.path] = file }
            }
            pages += 1
            next = pages < 1000 ? head.nextPage : nil
        }
        return files
    }

    /// Brings what is missing of a file.
    /// - Parameter report: told of the bytes that are there.
    func download(
        _ file: RepositoryFile, _ commit: String, into blob: IncompleteBlob, report: @escaping (Int) -> Void
    ) throws {
        let url = "\(settings.endpoint)/\(id.name)/resolve/\(commit)/\(Self.escaped(file.path, keeping: "/"))"
        try retrying(file.path, .file(file.path), progress: { blob.count }) {
            guard blob.count < file.size else { return }
            let start = blob.count
            do {
                _ = try follow(url, headers: start > 0 ? ["Range: bytes=\(start)-"] : []) { head, isHub in
                    if isHub { try self.compare(head, file, commit) }
                } accept: { head in
                    try Self.begin(head, file, blob, start)
                } receive: {
                    try blob.append($0)
                    report(blob.count)
                }
            } catch let refusal as HubRefusal where refusal.head.status == 416 {
                try blob.restart()
                throw refusal
            }
            guard blob.count == file.size else {
                throw HTTPClient.Failure.broken("the answer ends after \(blob.count) of \(file.size) bytes")
            }
        }
    }

    /// What the hub says of the file beside its answer: a mistake is noticed before gigabytes have come.
    private func compare(_ head: HTTPHead, _ file: RepositoryFile, _ commit: String) throws {
        func expect(_ name: String, _ value: String?, _ wanted: String) throws {
            guard let value, value != wanted else { return }
            throw ModelError(
                path: "\(id)",
                "\(file.path): \(settings.endpoint) answers \(name) \(value), not \(wanted); try again later")
        }
        try expect("X-Repo-Commit", head["x-repo-commit"], commit)
        try expect("X-Linked-ETag", head.linkedTag, file.tag)
        try expect("X-Linked-Size", head["x-linked-size"], "\(file.size)")
    }

    /// Prepares the blob for the body.
    private static func begin(_ head: HTTPHead, _ file: RepositoryFile, _ blob: IncompleteBlob, _ start: Int) throws {
        var from = start
        if head.status != 206 {
            // The server knows no ranges: all of it comes again.
            if start > 0 { try blob.restart() }
            from = 0
        } else if head.rangeStart != start {
            throw HTTPClient.Failure.broken("the answer begins elsewhere than asked for")
        }
        if let length = head.contentLength, head["content-encoding"] == nil, from + length != file.size {
            throw ModelError(
                path: file.path,
                "the server has \(from + length) bytes of it, the hub's list \(file.size); try again later")
        }
    }

    private func text(_ url: String) throws -> (Data, HTTPHead) {
        var data = Data()
        let head = try retrying("list of files", .revision, progress: { 0 }) {
            data = Data()
            return try follow(url, headers: []) { _, _ in
            } accept: { _ in
            } receive: { bytes in
                guard data.count + bytes.count <= Self.longestText else { throw self.strange("too much") }
                data.append(contentsOf: bytes)
            }
        }
        return (data, head)
    }

    private func strange(_ what: String) -> ModelError {
        ModelError(path: "\(id)", "\(settings.endpoint) answers \(what); check HF_ENDPOINT")
    }

    /// Percent-encodes all but unreserved characters.
    static func escaped(_ text: String, keeping kept: String) -> String {
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
        return text.addingPercentEncoding(withAllowedCharacters: CharacterSet(charactersIn: letters + kept)) ?? text
    }

    // MARK: Redirects and retries

    /// A request with its redirects. The token goes to the hub alone.
    /// - Parameters:
    ///   - look: called with every head, redirects among them, and whether it is the hub's.
    ///   - accept: called before the body of a success.
    /// - Throws: ``HubRefusal`` for another status than 200 and 206; ``HTTPClient/Failure``; what a closure throws.
    private func follow(
        _ url: String, headers: [String], look: @escaping (HTTPHead, _ isHub: Bool) throws -> Void,
        accept: @escaping (HTTPHead) throws -> Void, receive: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws -> HTTPHead {
        var url = url
        for _ in 0...Self.mostRedirects {
            let target = URLOrigin(url)
            let isHub = target == origin
            var lines = ["User-Agent: domainfusion", "Accept-Encoding: identity"] + headers
            if isHub, let token = settings.token { lines.append("Authorization: Bearer \(token)") }
            let head = try http.request(url, headers: lines) { head in
                guard [200, 206].contains(head.status) else { return false }
                try look(head, isHub)
                try accept(head)
                return true
            } receive: {
                try receive($0)
            }
            hasAnswered = true
            if [200, 206].contains(head.status) { return head }
            guard head.isRedirect, let next = head.redirect else { throw HubRefusal(head, url: url, isHub: isHub) }
            try look(head, isHub)
            guard let place = URLOrigin(next), target?.scheme != "https" || place.scheme == "https" else {
                throw HTTPClient.Failure.refused("the server leads from https to an address that is not")
            }
            url = next
        }
        throw HTTPClient.Failure.refused("the server leads from one address to the next without end")
    }

    /// Makes a request, and again where its failure may pass.
    /// - Parameters:
    ///   - what: names it in notes.
    ///   - progress: as long as this grows, failures do not add up.
    /// - Throws: `ModelError`, one line with the remedy; what a closure throws.
    private func retrying<Result>(
        _ what: String, _ purpose: HubRefusal.Purpose, progress: () -> Int, _ request: () throws -> Result
    ) throws -> Result {
        var failures = 0
        var furthest = progress()
        while true {
            let reason: String
            let final: ModelError
            var head: HTTPHead?
            var limit = retries.failures
            do {
                return try request()
            } catch let refusal as HubRefusal {
                final = refusal.error(id, purpose, settings)
                guard refusal.isTransient else { throw final }
                head = refusal.head
                reason = "the server answers \(refusal.head.status)"
            } catch let failure as HTTPClient.Failure {
                switch failure {
                case .refused(let text): throw unreachable(text)
                case .unreachable(let text):
                    (reason, final) = (text, unreachable(text))
                    if !hasAnswered { limit = retries.firstFailures }
                case .broken(let text):
                    reason = text
                    final = ModelError(
                        path: "\(id)",
                        "\(what): the connection breaks again and again (\(text)); run again later: what has come is "
                            + "kept")
                }
            }
            if progress() > furthest { failures = 0 }
            furthest = max(furthest, progress())
            failures += 1
            let wait = retries.wait(after: failures, head)
            guard failures <= limit, wait <= retries.longestWait else { throw final }
            note("\(what): \(reason); again in \(String(format: "%.0f", wait.rounded(.up))) s")
            try pause(wait)
        }
    }

    private func unreachable(_ reason: String) -> ModelError {
        ModelError(
            path: "\(id)",
            "\(settings.endpoint) cannot be reached (\(reason)); check the network, or set HF_ENDPOINT to a mirror")
    }

    private func pause(_ seconds: Double) throws {
        let end = Date(timeIntervalSinceNow: seconds)
        while true {
            try poll()
            let left = end.timeIntervalSinceNow
            if left <= 0 { return }
            usleep(useconds_t(min(left, 0.1) * 1e6) + 1)
        }
    }
}
