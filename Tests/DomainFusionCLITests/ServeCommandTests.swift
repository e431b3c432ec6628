import Foundation
import Foundations
import Pixels
import Testing

@Suite(OneServer())
struct ServeCommandTests {
    private let server: ServerProcess
    private var client: HTTPClient { server.client }
    private var program: Program { server.program }

    init() throws {
        server = try #require(OneServer.current)
    }

    private func file(_ name: String) throws -> [UInt8] { try [UInt8](#require(program.contents(name))) }

    /// Probabilities by class.
    private func probabilities(_ predictions: JSONValue?) throws -> [String: Double] {
        let members = try #require(predictions?.array).map { member in
            (try #require(member["class"]?.string), try #require(member["probability"]?.double))
        }
        return Dictionary(uniqueKeysWithValues: members)
    }

    /// What `predict` says of images of the data set, by their path.
    private func predicted(_ images: [String]) throws -> [String: [String: Double]] {
        let result = try program.run(
            ["predict"] + images + ["--run", "erm", "--json", "--threads", "2", "--device", "cpu"])
        try #require(result.status == 0, "\(result.errors)")
        let lines = try result.output.split(separator: "\n").map { line in
            let object = try #require(JSONValue(json: line.utf8))
            return (try #require(object["image"]?.string), try probabilities(object["predictions"]))
        }
        return Dictionary(uniqueKeysWithValues: lines)
    }

    private func expectEqual(_ found: [String: Double], _ expected: [String: Double]?, _ what: String) {
        #expect(found.keys.sorted() == expected?.keys.sorted(), "\(what)")
        for (name, value) in found { #expect(abs(value - (expected?[name] ?? .infinity)) < 1e-6, "\(what)") }
    }

    @Test("an image alone, a form and JSON have the probabilities of predict, however many come at a time")
    func probabilitiesAreThoseOfPredict() async throws {
        let names = ["set/a/cat/0.png", "set/b/dog/1.png", "set/c/cat/2.png"]
        let expected = try predicted(names)
        let files = try names.map { try file($0) }

        let form = try #require(client.post("/v1/runs/erm/predict?top=2", images: Array(zip(names, files))))
        #expect(form.status == 200 && form.json?["run"] == "erm", "\(form.body)")
        let rows = try #require(form.json?["images"]?.array)
        #expect(rows.map { $0["image"]?.string } == names)
        for (name, row) in zip(names, rows) { expectEqual(try probabilities(row["predictions"]), expected[name], name) }

        let texts = files.map { JSONValue.string(Data($0).base64EncodedString()) }
        let body = Array(JSONValue.object(["images": .array(texts), "top": 2]).text.utf8)
        let json = try #require(client.post("/v1/runs/twin/predict", "application/json", body))
        #expect(json.status == 200 && json.json?["run"] == "twin", "\(json.body)")
        for (name, row) in zip(names, json.json?["images"]?.array ?? []) {
            expectEqual(try probabilities(row["predictions"]), expected[name], name)
        }

        let client = client
        let answers = await withTaskGroup(of: (Int, HTTPClient.Answer?).self) { group in
            for index in 0..<8 {
                group.addTask {
                    (index, client.post("/v1/runs/erm/predict", "image/png", files[index % files.count]))
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        for (index, answer) in answers {
            let name = names[index % names.count]
            let found = try #require(answer?.json?["images"]?.array?.first?["predictions"], "\(answer?.body ?? "none")")
            expectEqual(try probabilities(found), expected[name], name)
        }
    }

    @Test("top chooses how many classes are told, the most probable first")
    func top() throws {
        let image = try file("set/a/cat/0.png")
        let one = client.post("/v1/runs/erm/predict?top=1", "application/octet-stream", image)
        #expect(one?.json?["images"]?.array?.first?["predictions"]?.array?.count == 1, "\(one?.body ?? "")")
        let all = client.post("/v1/runs/erm/predict", "image/png; q=1", image)
        let predictions = try #require(all?.json?["images"]?.array?.first?["predictions"]?.array)
        let values = predictions.compactMap { $0["probability"]?.double }
        #expect(values.count == 2 && values[0] >= values[1])
        for bad in ["0", "-1", "x", "99999999999999999999"] {
            #expect(client.post("/v1/runs/erm/predict?top=\(bad)", "image/png", image)?.status == 400)
        }
    }

    @Test("an image that cannot be read among others is told of, and the others are classified")
    func oneBadAmongGood() throws {
        let good = try file("set/a/cat/0.png")
        let answer = try #require(
            client.post(
                "/v1/runs/erm/predict",
                images: [("a.png", good), ("b\u{1b}.png", Array(good.prefix(60))), ("c.png", good), ("", [])]))
        let rows = try #require(answer.json?["images"]?.array, "\(answer.body)")
        #expect(answer.status == 200)
        #expect(rows.map { $0["predictions"] != nil } == [true, false, true, false])
        #expect(rows[1]["error"]?.string?.contains("truncated PNG file") == true, "\(rows[1])")
        #expect(!answer.body.unicodeScalars.contains("\u{1b}"))
        #expect(rows[0]["predictions"] == rows[2]["predictions"])
    }

    @Test("the server tells of its runs, its health and its metrics")
    func tellsOfItself() throws {
        let open = HTTPClient(port: client.port)
        #expect(open.get("/healthz")?.status == 200 && open.get("/readyz")?.status == 200)
        #expect(open.get("/healthz", method: "HEAD")?.body == "")

        let runs = try #require(client.get("/v1/runs")?.json?["runs"]?.array)
        #expect(runs.map { $0["name"]?.string } == ["erm", "twin"])
        #expect(runs[0]["classes"] == ["cat", "dog"] && runs[0]["domains"] == ["a", "b", "c"])
        #expect(runs[0]["image_size"] == .int(32) && runs[0]["held_out_domains"] == ["c"])
        #expect(runs[0]["accuracy"]?["held_out"]?["c"]?.double != nil)

        func metrics() throws -> [String: Double] {
            let text = try #require(client.get("/metrics")?.body)
            let values = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.map { line in
                let end = line.lastIndex(of: " ") ?? line.startIndex
                return (String(line[..<end]), Double(line[line.index(after: end)...]) ?? .nan)
            }
            return Dictionary(uniqueKeysWithValues: values)
        }
        let before = try metrics()
        #expect(before.values.allSatisfy { !$0.isNaN })
        #expect(before["domainfusion_ready"] == 1 && (before["process_resident_memory_bytes"] ?? 0) > 1e7)
        let image = try file("set/a/cat/0.png")
        for _ in 0..<3 { _ = client.post("/v1/runs/twin/predict", "image/png", image) }
        _ = client.post("/v1/runs/twin/predict", "image/png", [1, 2, 3])
        let after = try metrics()
        func gained(_ name: String) -> Double { (after[name] ?? 0) - (before[name] ?? 0) }
        // Other tests may ask at the same time.
        #expect(gained("domainfusion_images_total{run=\"twin\",result=\"classified\"}") >= 3)
        #expect(gained("domainfusion_images_total{run=\"twin\",result=\"unreadable\"}") >= 1)
        #expect(gained("domainfusion_batch_images_sum{run=\"twin\"}") >= 3)
        #expect(gained("http_requests_total{path=\"/v1/runs/{name}/predict\",status=\"200\"}") >= 3)
        #expect(gained("http_requests_total{path=\"/v1/runs/{name}/predict\",status=\"422\"}") >= 1)
        #expect(gained("domainfusion_network_seconds_count{run=\"twin\"}") >= 1)
    }

    @Test("a request that cannot be answered is told what is wrong")
    func refusals() throws {
        let image = try file("set/a/cat/0.png")
        func expect(_ status: Int, _ part: String, _ answer: HTTPClient.Answer?, line: Int = #line) {
            #expect(answer?.status == status, "line \(line): \(answer?.body ?? "no answer")")
            #expect(answer?.error?.contains(part) == true, "line \(line): \(answer?.body ?? "no answer")")
        }
        let path = "/v1/runs/erm/predict"
        expect(404, "did you mean erm?", client.post("/v1/runs/erms/predict", "image/png", image))
        expect(404, "nothing is at this address", client.get("/nothing"))
        expect(400, "several runs are served", client.post("/v1/predict", "image/png", image))
        let get = client.get(path)
        expect(405, "use POST", get)
        #expect(get?.headers["allow"] == "POST")
        expect(415, "no Content-Type", client.post(path, nil, image))
        expect(415, "text/plain is not taken", client.post(path, "text/plain", image))
        expect(400, "without its boundary", client.post(path, "multipart/form-data", image))
        expect(400, "no image in the request", client.post(path, "image/png", []))
        expect(400, "no image in the request", client.post(path, "application/json", Array("{\"images\": []}".utf8)))
        expect(422, "not an image", client.post(path, "image/jpeg", Array("hello".utf8)))
        expect(422, "no base64", client.post(path, "application/json", Array("{\"images\": [\"???\"]}".utf8)))
        expect(400, "no such member", client.post(path, "application/json", Array("{\"image\": []}".utf8)))
        expect(400, "is a text", client.post(path, "application/json", Array("{\"images\": \"aa\"}".utf8)))
        let deep = String(repeating: "[", count: 100_000)
        expect(400, "no JSON object", client.post(path, "application/json", Array("{\"images\": \(deep)".utf8)))
        let form = HTTPClient.form([("a.png", image)])
        expect(400, "ends inside a part", client.post(path, HTTPClient.formType, Array(form.prefix(200))))
        expect(400, "has no boundary", client.post(path, "multipart/form-data; boundary=other", form))
    }

    @Test("without the token, or with a wrong one, nothing is answered but health")
    func token() throws {
        let image = try file("set/a/cat/0.png")
        for wrong in ["", "x", String(ServerProcess.token.dropLast())] {
            let answer = HTTPClient(port: client.port, token: wrong).post("/v1/runs/erm/predict", "image/png", image)
            #expect(answer?.status == 401 && answer?.headers["www-authenticate"] == "Bearer", "'\(wrong)'")
        }
        let open = HTTPClient(port: client.port)
        #expect(open.get("/metrics")?.status == 401 && open.get("/nothing")?.status == 401)
        #expect(open.get("/v1/runs?token=\(ServerProcess.token)")?.status == 200)
    }

    @Test("bodies and images over a limit are refused before they are held")
    func limits() throws {
        let path = "/v1/runs/erm/predict"
        let announced = client.answer(
            raw: client.head("POST", path, ["Content-Type: image/png", "Content-Length: 99999999999"]) + [1, 2, 3])
        #expect(announced?.status == 413 && announced?.headers["connection"] == "close", "\(announced?.body ?? "")")
        let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 7, count: 0x10000) + Array("\r\n".utf8)
        let endless = client.answer(
            raw: client.head("POST", path, ["Content-Type: image/png", "Transfer-Encoding: chunked"])
                + Array(repeatElement(chunk, count: 24).joined()))
        #expect(endless?.status == 413 && endless?.error?.contains("longer than 1048576 bytes") == true)

        // By the header alone: there are no pixels behind it.
        var huge = try PNG.encode(RGBImage(width: 8, height: 8))
        huge.replaceSubrange(16..<24, with: [0, 1, 0, 0, 0, 1, 0, 0])
        let bomb = client.post(path, "image/png", huge)
        #expect(bomb?.status == 413 && bomb?.error?.contains("65536×65536 pixels") == true, "\(bomb?.body ?? "")")
        let large = client.post(path, "image/png", try PNG.encode(RGBImage(width: 201, height: 200)))
        #expect(large?.status == 413 && large?.error?.contains("over the limit of 40000") == true)
        #expect(client.post(path, "image/png", try PNG.encode(RGBImage(width: 200, height: 200)))?.status == 200)

        let image = try file("set/a/cat/0.png")
        let many = client.post(path, images: (0..<9).map { ("\($0)", image) })
        #expect(many?.status == 413 && many?.error?.contains("send at most 8") == true, "\(many?.body ?? "")")
    }

    @Test("a client that waits for leave to send its body gets it")
    func continues() throws {
        let image = try file("set/a/cat/0.png")
        let descriptor = client.connect()
        client.write(
            client.head(
                "POST", "/v1/runs/erm/predict",
                ["Content-Type: image/png", "Content-Length: \(image.count)", "Expect: 100-continue"]), to: descriptor)
        var part = [UInt8](repeating: 0, count: 100)
        let count = recv(descriptor, &part, part.count, 0)
        #expect(String(decoding: part.prefix(max(0, count)), as: UTF8.self).hasPrefix("HTTP/1.1 100 Continue\r\n\r\n"))
        client.write(image, to: descriptor)
        #expect(client.read(descriptor)?.status == 200)
    }

    @Test("bytes that are no request are answered or dropped, and the server stays up")
    func garbage() throws {
        let image = try file("set/a/cat/0.png")
        var generator = SeededGenerator(seed: 7)
        var statuses: [Int: Int] = [:]
        for attempt in 0..<60 {
            let type = attempt % 2 == 0 ? HTTPClient.formType : "application/json"
            let whole =
                attempt % 2 == 0
                ? HTTPClient.form([("a", image)])
                : Array("{\"images\": [\"\(Data(image).base64EncodedString())\"], \"top\": 2}".utf8)
            var body = whole
            for _ in 0..<(attempt % 5 + 1) { body[generator.below(min(body.count, 400))] = UInt8(generator.below(256)) }
            let status = client.post("/v1/runs/erm/predict", type, body)?.status ?? 0
            statuses[status, default: 0] += 1
        }
        #expect(statuses.keys.allSatisfy { $0 == 200 || (400..<500).contains($0) }, "\(statuses)")
        #expect(client.answer(raw: Array("nonsense\r\n\r\n".utf8))?.status == 400)
        #expect(
            client.answer(
                raw: client.head(
                    "POST", "/v1/runs/erm/predict", ["Content-Type: image/png", "Transfer-Encoding: chunked"])
                    + Array("zz\r\n".utf8))?.status == 400)
        let long = client.answer(raw: client.head("GET", "/healthz", ["X: \(String(repeating: "x", count: 70_000))"]))
        #expect(long?.status == 400)
        for path in ["/v1/runs/%2e%2e%2f/predict", "/v1/runs/%ff/predict", "/v1/runs//predict", "//", "/%00"] {
            #expect(client.get(path).map { (400..<500).contains($0.status) } == true, "\(path)")
        }
        #expect(server.process.isRunning && client.get("/readyz")?.status == 200)
    }

    @Test("mistakes on the command line are one line each")
    func mistakes() throws {
        func expect(_ arguments: [String], _ part: String, _ line: Int = #line) throws {
            let result = try program.run(["serve"] + arguments)
            #expect(result.isPlainError && result.errors.contains(part), "line \(line): \(result.errors)")
        }
        try expect(["nowhere"], "nowhere: no run in this folder")
        try expect(
            ["erm", "--port", "\(client.port)"], "--port: \(client.port) is in use on 127.0.0.1; choose another")
        try expect(["erm", "--host", "192.0.2.1", "--port", "0"], "--host: 192.0.2.1 is no address of this machine")
        try expect(["erm", "./erm/"], "./erm/: is called 'erm' as erm is")
        try expect(["erm", "--averaged", "--port", "0"], "no such file; an averaged model")
        try program.write("short", to: "token")
        try expect(["erm", "--token-file", "token"], "token: no token of 16 or more letters and digits")
        try FileManager.default.copyItem(atPath: "\(program.folder)/erm", toPath: "\(program.folder)/unfinished")
        try FileManager.default.removeItem(atPath: "\(program.folder)/unfinished/done")
        try expect(["unfinished"], "unfinished: has not ended; let 'domainfusion train' run to its end, then serve it")
    }

    @Test("the guide's lines of Python get the classes that predict says, and a server of one run needs no name")
    func guide() throws {
        let server = try ServerProcess(program, ["erm"])
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Documentation/Guide.docc/Serve.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        let code = try #require(text.components(separatedBy: "```python\n").dropFirst().first)
            .components(separatedBy: "```")[0]
        let names = ["cat.jpg", "dog.png"]
        for (name, source) in zip(names, ["set/a/cat/0.png", "set/b/dog/1.png"]) {
            try program.write(file(source), to: name)
        }
        let result = try program.run(
            ["python3", "-c", code.replacing(":8080", with: ":\(server.client.port)")],
            of: URL(fileURLWithPath: "/usr/bin/env"))
        let expected = try predicted(names).mapValues { row in row.max { $0.value < $1.value }?.key ?? "" }
        #expect(result.output == names.map { "\($0) \(expected[$0] ?? "")\n" }.joined(), "\(result.errors)")
    }

    /// A server of its own, whose places and time are few.
    @Test(
        "who comes when all places are taken is sent away, who sends too slowly, too, and SIGTERM lets the rest finish"
    )
    func endsInOrder() throws {
        let server = try ServerProcess(program, ["erm", "--max-waiting", "2", "--timeout", "3"])
        let client = server.client
        let image = try file("set/a/cat/0.png")
        let head = client.head("POST", "/v1/predict", ["Content-Type: image/png", "Content-Length: \(image.count)"])
        func begin() -> Int32 {
            let descriptor = client.connect()
            client.write(head + image.prefix(100), to: descriptor)
            return descriptor
        }
        let slow = [begin(), begin()]
        for _ in 0..<200 where client.get("/metrics")?.body.contains("images_in_progress 2.0\n") == false {
            Thread.sleep(forTimeInterval: 0.01)
        }
        let refused = client.post("/v1/predict", "image/png", image)
        #expect(refused?.status == 503 && refused?.headers["retry-after"] == "1", "\(refused?.body ?? "")")
        for descriptor in slow {
            let late = client.read(descriptor)
            #expect(late?.status == 408 && late?.error?.contains("did not arrive in time") == true)
        }

        let last = begin()
        Thread.sleep(forTimeInterval: 0.1)
        kill(server.process.processIdentifier, SIGTERM)
        var isOpen = true
        for _ in 0..<100 where isOpen {
            let new = client.connect()
            isOpen = new >= 0
            close(new)
            Thread.sleep(forTimeInterval: 0.01)
        }
        #expect(!isOpen)
        client.write(Array(image.dropFirst(100)), to: last)
        #expect(client.read(last)?.status == 200)
        server.process.waitUntilExit()
        #expect(server.process.terminationReason == .exit && server.process.terminationStatus == 0)
    }
}
