import DomainFusion
import Experiments
import Foundations
import Hummingbird
import NIOPosix
import Pixels
import Serving

/// A web page of runs for the person who trains them: a list, a page of each run that follows its training, comparisons, and
/// images to try.
///
/// Everything is read from the runs' folders, and nothing is written there. Every page works without a script.
public final class StudioService: Sendable {
    /// The most pages that are watched at a time.
    private static let mostStreams = 32
    /// The most runs of a comparison.
    private static let mostCompared = 24
    /// The most images that wait for a classifier.
    private static let mostWaiting = 16

    private let options: StudioOptions
    private let index: RunIndex
    private let streams = StreamPlaces(mostStreams)
    private let images = DroppedImages()
    private let predictors = WorkThread<Predictors>(mostWaiting: mostWaiting)
    private let desk: JobDesk?
    /// Reads and writes what pages are made of.
    private let pool: NIOThreadPool

    /// A studio that does not answer yet.
    /// - Throws: `UserError` for a folder that is not there.
    public init(_ options: StudioOptions) throws {
        self.options = options
        index = try RunIndex(options.runs, threads: options.threads)
        desk = options.diffusion == nil ? nil : JobDesk()
        pool = NIOThreadPool(numberOfThreads: 4)
        pool.start()
    }

    /// A server with the studio's pages.
    public func server(_ settings: WebSettings) -> WebServer {
        let browser = BrowserAccess(
            headers: StudioPage.headers, openPaths: [StudioStyle.path, StudioPage.iconPath, StudioScript.path],
            missingToken:
                "the token is missing or wrong; open the address that 'domainfusion studio' printed, or send the "
                + "token as 'Authorization: Bearer TOKEN'", refusal: StudioPage.refusal)
        let server = WebServer(settings, metrics: PrometheusMetrics(), browser: browser)
        let deadline = Duration.seconds(settings.timeout)
        for (path, text, type) in [
            (StudioStyle.path, StudioStyle.text, "text/css; charset=utf-8"),
            (StudioScript.path, StudioScript.text, "text/javascript; charset=utf-8"),
            (StudioPage.iconPath, StudioPage.icon, "image/svg+xml"),
        ] { server.on(.get, path) { _, _ in Response(text: text, type: type) } }
        server.on(.get, "/") { [self] request, _ in try await list(request) }
        server.on(.get, "/compare") { [self] request, _ in try await compare(request) }
        server.on(.get, "/runs/**") { [self] request, _ in try await show(request) }
        server.on(.post, "/runs/**") { [self] request, context in
            try await work(request, try await context.body(of: request, until: .now + deadline))
        }
        server.on(.get, "/jobs/{id}") { [self] _, context in
            StudioPage.response(JobPage.html(try job(context)))
        }
        server.on(.get, "/jobs/{id}/events") { [self] request, context in
            EventStream.response(to: request, place: try streams.take(), source: JobNews(try job(context)))
        }
        server.on(.post, "/jobs/{id}/cancel") { [self] _, context in
            let job = try job(context)
            job.cancel()
            return Self.seeOther(job.address)
        }
        return server
    }

    /// Reads the runs' folders for the first time, and loads the diffusion model, where there is one.
    /// - Throws: a one-line error for a model that cannot be loaded.
    public func load() async throws {
        let options = options
        _ = try await pool.runIfActive { [index] in index.entries() }
        try await predictors.start("classifiers") { Predictors(device: options.device, threads: options.threads) }
        guard let make = options.diffusion else { return }
        try await desk?.start { DiffusionWork(model: try make(), store: ContentStore(options.store)) }
    }

    /// Ends all work, once no request is answered any more.
    public func stop() async {
        predictors.stop()
        desk?.stop()
        try? await pool.shutdownGracefully()
    }

    private static func seeOther(_ address: String) -> Response {
        Response(status: .seeOther, headers: [.location: address, .cacheControl: "no-store"])
    }

    private func list(_ request: Request) async throws -> Response {
        let query = RunQuery(FormFields(request.uri.query ?? ""))
        let html = try await pool.runIfActive { [options, index] in
            RunListPage(root: options.runs, entries: index.entries(), query: query).html
        }
        return StudioPage.response(html)
    }

    /// The run that an address names, and what behind it is asked for.
    private func named(_ request: Request) throws -> (run: RunEntry, action: String) {
        guard let parts = WebAddress.parts(request.uri.path) else {
            throw WebError(.notFound, "no run is at this address; all are on the first page")
        }
        if let run = index.run(parts.joined(separator: "/")) { return (run, "") }
        if parts.count > 1, let run = index.run(parts.dropLast().joined(separator: "/")) {
            return (run, parts.last ?? "")
        }
        throw WebError(
            .notFound, "no run is called \(shortened(parts.joined(separator: "/"))); all are on the first page")
    }

    private func show(_ request: Request) async throws -> Response {
        let (run, action) = try await pool.runIfActive { [self] in try named(request) }
        switch action {
        case "":
            return try await page(run)
        case "events":
            return EventStream.response(
                to: request, place: try streams.take(), source: RunNews(run, pool: pool))
        case "predict", "candidates":
            throw WebError(.methodNotAllowed, "send an image to this address; its form is on the run's page")
        default: throw WebError(.notFound, "nothing is at this address")
        }
    }

    private func work(_ request: Request, _ body: [UInt8]) async throws -> Response {
        let (run, action) = try await pool.runIfActive { [self] in try named(request) }
        switch action {
        case "predict": return try await predict(request, body, run)
        case "candidates": return try await makeCandidates(body, run)
        default: throw WebError(.methodNotAllowed, "nothing can be sent to this address")
        }
    }

    private func predict(_ request: Request, _ body: [UInt8], _ run: RunEntry) async throws -> Response {
        guard run.state == .done else {
            throw WebError(.conflict, "this run has not ended; images can be tried on finished runs")
        }
        let image = try await pool.runIfActive { [options] in
            try ImageForm.image(body, contentType: request.headers[.contentType], pixelLimit: options.pixelLimit)
        }
        let answer = try await predictors.run { try $0.answer(image, run: run.folder) }
        let kept = desk == nil ? nil : images.keep(image)
        let part = AnswerPart(
            run: run.path, image: image, classes: answer.classes, probabilities: answer.probabilities, kept: kept)
        if request.headers[.accept]?.contains("application/json") == true {
            return Response(json: ["parts": ["answer": .string(part.markup.map(\.html).joined())]])
        }
        return try await page(run, answer: part.markup)
    }

    private func page(_ run: RunEntry, answer: [Markup] = []) async throws -> Response {
        let html = try await pool.runIfActive {
            var history = RunHistory(folder: run.folder)
            history.read()
            return RunPage.html(run, RunParts(run, history), answer: answer)
        }
        return StudioPage.response(html)
    }

    private func makeCandidates(_ body: [UInt8], _ run: RunEntry) async throws -> Response {
        guard let desk else {
            throw WebError(.conflict, "there is no diffusion model; start 'domainfusion studio' with --ldm")
        }
        let fields = FormFields(String(decoding: body, as: UTF8.self))
        guard let image = fields["image"].flatMap(images.image) else {
            throw WebError(.gone, "the image is no longer kept; send it again")
        }
        let answer = try await predictors.run { try $0.answer(image, run: run.folder) }
        guard let place = fields["class"].flatMap({ Int($0) }), answer.classes.indices.contains(place) else {
            throw WebError(.badRequest, "the run has no such class; choose one of the list")
        }
        let name = answer.classes[place]
        let other = RunPredictor.best(answer.probabilities, 2).map { answer.classes[$0] }.first { $0 != name }
        let settings = try await pool.runIfActive { [options] in
            do {
                let configuration = try RunDirectory(existing: run.folder).configuration()
                return try CandidateSettings(configuration, prompt: options.prompt)
            } catch { throw WebError(.conflict, "\(error)") }
        }
        let job = try desk.begin(
            .init(run: run.path, image: image, className: name, otherClass: other, settings: settings))
        return Self.seeOther(job.address)
    }

    private func job(_ context: WebContext) throws -> CandidateJob {
        guard let job = context.parameters.get("id").flatMap({ desk?.job($0) }) else {
            throw WebError(.notFound, "this work is no longer kept; send the image again")
        }
        return job
    }

    private func compare(_ request: Request) async throws -> Response {
        let paths = FormFields(request.uri.query ?? "").all("run")
        guard (1...Self.mostCompared).contains(paths.count) else {
            throw WebError(
                .badRequest, "tick 1 to \(Self.mostCompared) finished runs on the first page, then compare them")
        }
        let html = try await pool.runIfActive { [index] in
            let entries = index.entries()
            let runs = try paths.map { path in
                guard let run = entries.first(where: { $0.path == path }) else {
                    throw WebError(.notFound, "no run is called \(shortened(path)); all are on the first page")
                }
                guard run.state == .done else {
                    throw WebError(.conflict, "\(shortened(path)) has not ended; tick finished runs")
                }
                return run.folder
            }
            do {
                let page = try ReportPage(folders: runs, baseline: "ERM") { _ in }
                return StudioPage.html("Comparison", page.content)
            } catch let error as UserError {
                throw WebError(.conflict, error.message)
            }
        }
        return StudioPage.response(html)
    }
}
