import Foundation
import Foundations
import Pixels
import Testing

@Suite(OneStudio())
struct StudioCommandTests {
    private let studio: StudioProcess
    private var client: HTTPClient { studio.client }
    private var program: Program { studio.program }

    init() throws {
        studio = try #require(OneStudio.current)
    }

    private func image() throws -> [UInt8] { try [UInt8](#require(program.contents("set/a/cat/0.png"))) }

    /// What is between two texts of another.
    private func part(_ text: String, after start: String, before end: String) throws -> String {
        let from = try #require(text.range(of: start), "no '\(start)'")
        let rest = text[from.upperBound...]
        return String(rest[..<(try #require(rest.range(of: end)).lowerBound)])
    }

    @Test("the address that is printed leaves a cookie and leads to the same without the token; nobody else comes in")
    func token() throws {
        let page = "Accept: text/html,*/*;q=0.8"
        let first = try #require(studio.get("/?q=x&token=\(studio.token)&order=name", page))
        #expect(first.status == 303 && first.headers["location"] == "/?q=x&order=name")
        let cookie = try #require(first.headers["set-cookie"])
        for part in ["HttpOnly", "SameSite=Strict", "Path=/"] { #expect(cookie.contains("; \(part)"), "\(part)") }
        #expect(!cookie.contains(studio.token) && !cookie.contains("Domain"))
        let pair = String(cookie.prefix { $0 != ";" })
        #expect(studio.get("/", "Cookie: other=1; \(pair)")?.status == 200)
        #expect(studio.get("/runs/erm", "Cookie: \(pair)")?.status == 200)

        for headers in [
            [], ["Cookie: \(pair)0"], ["Cookie: \(pair.prefix { $0 != "=" })="], ["Authorization: Bearer x"],
        ] {
            let answer = studio.stranger.answer(raw: studio.stranger.head("GET", "/", headers))
            #expect(answer?.status == 401 && answer?.error?.contains("open the address that") == true, "\(headers)")
        }
        let refused = try #require(studio.get("/runs/erm", page))
        #expect(refused.status == 401 && refused.body.contains("<p class=\"problem\"") && !refused.body.contains("erm"))
        #expect(studio.get("/?token=\(studio.token.dropLast())", page)?.status == 401)

        #expect(client.get("/")?.status == 200)
        #expect(studio.get("/?token=\(studio.token)", "Accept: application/json")?.status == 200)
        // Another server is never led to.
        for path in ["//evil.example/", "/%5cevil.example", "///evil.example"] {
            let location = studio.get("\(path)?token=\(studio.token)", page)?.headers["location"] ?? ""
            #expect(location.hasPrefix("/") && !location.hasPrefix("//") && !location.hasPrefix("/\\"), "\(location)")
        }
    }

    @Test("every answer forbids what is not served here, and another site's page can change nothing")
    func policy() throws {
        for path in ["/", "/runs/erm", "/nothing", "/assets/studio.js", "/compare?run=erm"] {
            let policy = client.get(path)?.headers["content-security-policy"] ?? ""
            #expect(policy.hasPrefix("default-src 'none'; ") && !policy.contains("unsafe"), "\(path)")
        }
        #expect(studio.get("/assets/studio.css")?.status == 200)
        let form = HTTPClient.form([("a.png", try image())])
        for headers in [
            ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"], ["Origin: http://evil.example"],
            ["Origin: null"],
        ] {
            let answer = client.post("/runs/erm/predict", HTTPClient.formType, form, headers: headers)
            #expect(answer?.status == 403 && answer?.error?.contains("another site") == true, "\(headers)")
        }
        #expect(
            client.post(
                "/runs/erm/predict", HTTPClient.formType, form,
                headers: ["Sec-Fetch-Site: same-origin", "Origin: http://localhost"])?.status == 200)
    }

    @Test("no address leads out of the folder of runs")
    func paths() throws {
        try program.write("secret", to: "runs/../secret/config.yaml")
        try FileManager.default.createSymbolicLink(
            atPath: "\(program.folder)/runs/link", withDestinationPath: "\(program.folder)/secret")
        for path in [
            "/runs/../secret", "/runs/%2e%2e/secret", "/runs/..%2fsecret", "/runs/%2e%2e%2fsecret", "/runs/link",
            "/runs//erm",
            "/runs/erm/../erm", "/runs/erm%00", "/runs/erm/log.txt", "/runs/", "/runs/%ff",
        ] { #expect(client.get(path)?.status == 404, "\(path)") }
        #expect(client.get("/compare?run=../secret")?.status == 404 && client.get("/compare?run=link")?.status == 404)
        #expect(client.get("/runs/sweep/twin")?.status == 200 && client.get("/runs/sweep%2Ftwin")?.status == 404)
        #expect(client.get("/runs/sweep")?.status == 404)
    }

    @Test("the list, a run and a comparison are pages that say what the runs' files say")
    func pages() throws {
        let list = try #require(client.get("/"))
        #expect(list.status == 200 && list.body.contains("href=\"/runs/sweep/twin\"") && list.body.contains("2 of 2"))
        #expect(client.get("/?q=twin")?.body.contains("href=\"/runs/erm\"") == false)
        let run = try #require(client.get("/runs/erm")?.body)
        for text in [
            "held out", "Loss after each step", "Accuracy at each evaluation", "No diffusion model was asked.",
        ] {
            #expect(run.contains(text), "\(text)")
        }
        let comparison = try #require(client.get("/compare?run=erm&run=sweep%2Ftwin"))
        #expect(comparison.status == 200 && comparison.body.contains("<section id=\"confusion\">"))
        #expect(!comparison.body.contains("<style") && !comparison.body.contains(" style="))
        #expect(client.get("/compare")?.status == 400 && client.get("/compare?run=none")?.status == 404)
    }

    @Test("an image's probabilities are those of predict, as a page and as a part of one")
    func predicts() throws {
        let result = try program.run(
            ["predict", "set/a/cat/0.png", "--run", "runs/erm", "--json", "--threads", "2", "--device", "cpu"])
        let predictions = try #require(JSONValue(json: result.output.utf8)?["predictions"]?.array, "\(result.errors)")
        let form = HTTPClient.form([("a.png", try image())])
        let page = try #require(client.post("/runs/erm/predict", HTTPClient.formType, form))
        let answer = client.post("/runs/erm/predict", HTTPClient.formType, form, headers: ["Accept: application/json"])
        let html = try #require(answer?.json?["parts"]?["answer"]?.string)
        let bars = try part(html, after: "<ol", before: "</ol>")
        #expect(page.status == 200 && page.body.contains(bars))
        for prediction in predictions {
            let share = String(format: "%.4f", try #require(prediction["probability"]?.double))
            #expect(html.contains("value=\"\(share)\""), "\(share)")
        }
        #expect(
            client.get("/runs/erm/predict")?.status == 405 && client.post("/runs/erm", "text/plain", [1])?.status == 405
        )
    }

    @Test("bodies that are no form with an image within the limits are refused in one line")
    func hostileBodies() throws {
        let image = try image()
        let path = "/runs/erm/predict"
        func expect(_ status: Int, _ part: String, _ answer: HTTPClient.Answer?, line: Int = #line) {
            #expect(answer?.status == status, "line \(line): \(answer?.body ?? "no answer")")
            let error = answer?.error
            #expect(
                error?.contains(part) == true && error?.contains("\n") == false, "line \(line): \(answer?.body ?? "")")
        }
        expect(415, "in a form", client.post(path, "image/png", image))
        expect(415, "in a form", client.post(path, nil, image))
        expect(400, "boundary", client.post(path, "multipart/form-data", image))
        expect(400, "has no boundary", client.post(path, HTTPClient.formType, image))
        expect(400, "no image", client.post(path, HTTPClient.formType, HTTPClient.form([("a.png", [])])))
        expect(
            400, "ends inside",
            client.post(path, HTTPClient.formType, Array(HTTPClient.form([("a", image)]).prefix(200))))
        expect(422, "not an image", client.post(path, HTTPClient.formType, HTTPClient.form([("a\u{1b}", [1, 2, 3])])))
        let large = HTTPClient.form([("a", try PNG.encode(RGBImage(width: 201, height: 200)))])
        expect(413, "over the limit of 40000", client.post(path, HTTPClient.formType, large))
        expect(413, "longer than", client.post(path, HTTPClient.formType, [UInt8](repeating: 0, count: 1 << 20 + 1)))
        expect(410, "no longer kept", studio.post("/runs/erm/candidates", "image=nothing&class=0"))
        expect(404, "no longer kept", studio.post("/jobs/nothing/cancel", ""))
        #expect(studio.process.isRunning && client.get("/")?.status == 200)
    }

    @Test("the diffusion model makes an image's candidates one after the other, composes them, and draws the LD curve")
    func candidates() throws {
        let form = HTTPClient.form([("a.png", try image())])
        let answer = client.post("/runs/erm/predict", HTTPClient.formType, form, headers: ["Accept: application/json"])
        let html = try #require(answer?.json?["parts"]?["answer"]?.string)
        let kept = try part(html, after: "name=\"image\" value=\"", before: "\"")
        #expect(studio.post("/runs/erm/candidates", "image=\(kept)&class=2")?.status == 400)
        let begun = try #require(studio.post("/runs/erm/candidates", "image=\(kept)&class=0"))
        let address = try #require(begun.headers["location"], "\(begun.body)")
        #expect(begun.status == 303 && address.hasPrefix("/jobs/"))
        let other = try #require(studio.post("/runs/erm/candidates", "image=\(kept)&class=1")?.headers["location"])
        #expect(studio.post("\(other)/cancel", "")?.status == 303)

        let events = studio.events("\(address)/events")
        #expect(events.waits(for: "event: end\n"), "\(events.text.suffix(500))")
        for text in ["id: 1\n", "candidate 4", "composed", "LD curves", "Done."] {
            #expect(events.text.contains(text), "\(text)")
        }
        let page = try #require(client.get(address)?.body)
        #expect(
            page.contains("<h1>Candidates of a cat</h1>") && page.contains("candidate 4")
                && page.contains("class=\"chosen\"") && !page.contains("data-events"))
        #expect(studio.events("\(other)/events").waits(for: "Cancelled."))
    }

    /// Runs of their own, of which one is held by this process.
    @Test("a run that trains tells its news as they come, and its stream ends with it, or with the server")
    func events() throws {
        let program = try Program()
        for name in ["one", "two"] {
            try program.write(
                "algorithm: {name: ERM}\ndata: set\ntestDomains: [c]\nsteps: 50\n", to: "runs/\(name)/config.yaml")
        }
        var first: FolderLock? = try FolderLock("\(program.folder)/runs/one", option: "--run-dir")
        let second = try FolderLock("\(program.folder)/runs/two", option: "--run-dir")
        let studio = try StudioProcess(program)
        let one = studio.events("/runs/one/events")
        let two = studio.events("/runs/two/events")
        #expect(one.waits(for: "id: 1\n") && one.waits(for: "0 of 50"))
        try program.write("{\"step\": 17, \"args\": {\"test_envs\": [2]}}\n", to: "runs/one/results.jsonl")
        #expect(one.waits(for: "id: 2\n") && one.waits(for: "17 of 50"))
        try program.write("step 18/50\n", to: "runs/one/log.txt")
        #expect(one.waits(for: "id: 3\n") && one.waits(for: "step 18/50"))
        #expect(one.text.contains("text/event-stream") && !one.text.contains("event: end"))
        first = nil
        #expect(first == nil && one.waits(for: "event: end\n") && one.text.contains("stopped") && one.ends())
        #expect(two.waits(for: "0 of 50"))
        kill(studio.process.processIdentifier, SIGTERM)
        let start = ContinuousClock.now
        #expect(two.ends() && start.duration(to: .now) < .seconds(3))
        studio.process.waitUntilExit()
        #expect(studio.process.terminationReason == .exit && studio.process.terminationStatus == 0)
        withExtendedLifetime(second) {}
    }

    @Test("streams that nobody reads any more give their places back, and beyond the last place there is none")
    func places() throws {
        let program = try Program()
        try program.write(
            "algorithm: {name: ERM}\ndata: set\ntestDomains: [c]\nsteps: 50\n", to: "runs/one/config.yaml")
        let lock = try FolderLock("\(program.folder)/runs/one", option: "--run-dir")
        let studio = try StudioProcess(program)
        var readers = (0..<32).map { _ in studio.events("/runs/one/events") }
        #expect(readers.allSatisfy { $0.waits(for: "id: 1\n") })
        let refused = studio.client.get("/runs/one/events")
        #expect(refused?.status == 503 && refused?.error?.contains("32 pages are watched already") == true)
        readers = []
        var isFree = false
        for _ in 0..<50 where !isFree {
            isFree = studio.events("/runs/one/events").waits(for: "id: 1\n")
            if !isFree { Thread.sleep(forTimeInterval: 0.1) }
        }
        #expect(isFree && readers.isEmpty)
        withExtendedLifetime(lock) {}
    }

    @Test("a thousand runs are listed in less than a second, the first time and the second")
    func thousandRuns() throws {
        let program = try Program()
        let source = "\(self.program.folder)/runs/erm"
        let names = ["config.yaml", "environment.json", "classes.json", "results.jsonl", "summary.json", "done"]
        for index in 0..<1000 {
            let folder = "\(program.folder)/runs/sweep-\(index % 7)/run-\(index)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            // Every fifth is one that was stopped.
            for name in names where index % 5 > 0 || name != "done" && name != "summary.json" {
                try FileManager.default.linkItem(atPath: "\(source)/\(name)", toPath: "\(folder)/\(name)")
            }
        }
        let studio = try StudioProcess(program)
        var seconds: [Double] = []
        for path in ["/", "/?order=-accuracy&page=10"] {
            let start = ContinuousClock.now
            let page = try #require(studio.client.get(path))
            seconds.append(start.duration(to: .now) / .seconds(1))
            #expect(page.status == 200 && page.body.contains("1000 runs, "))
        }
        #expect(seconds.allSatisfy { $0 < 1 }, "\(seconds)")
    }

    @Test("mistakes on the command line are one line each")
    func mistakes() throws {
        func expect(_ arguments: [String], _ part: String, _ line: Int = #line) throws {
            let result = try program.run(["studio"] + arguments)
            #expect(result.isPlainError && result.errors.contains(part), "line \(line): \(result.errors)")
        }
        try expect(["--runs", "nowhere"], "nowhere: no such folder")
        try expect(["--port", "\(client.port)"], "--port: \(client.port) is in use on 127.0.0.1; choose another")
        try expect(["--port", "99999"], "--port: 99999 is not in 0...65535")
        try expect(["--port", "0", "--ldm", "set"], "set")
        try program.write("short", to: "token")
        try expect(["--token-file", "token"], "token: no token of 16 or more letters and digits")
    }
}
