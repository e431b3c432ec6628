import Experiments
import Foundations
import Hummingbird
import NIOPosix
import Pixels
import Synchronization

/// Answers requests for predictions by the classifiers of runs.
///
/// Images are decoded on threads of their own while a network works, within limits of bytes, pixels and number. The
/// probabilities are those of `domainfusion predict`: it is the same `RunPredictor`.
public final class PredictionService: Sendable {
    /// What a loaded run's requests need.
    private struct Model: Sendable {
        let classes: [String]
        let preparation: ImagePipeline?
        let isOnCPU: Bool
    }

    /// How many classes are told where nobody says it, as `domainfusion predict` has it.
    private static let defaultTop = 3

    private let runs: [ServedRun]
    private let options: ServingOptions
    private let timeout: Duration
    private let metrics: PredictionMetrics
    private let places: Places
    private let batcher: Batcher
    private let decoders: NIOThreadPool
    /// By run; nil until they are loaded.
    private let models = Mutex<[Model]?>(nil)

    /// A service whose models are not loaded yet.
    /// - Parameters:
    ///   - runs: at least one.
    ///   - timeout: seconds that a request may take.
    public init(_ runs: [ServedRun], options: ServingOptions, timeout: Double, metrics: PrometheusMetrics) {
        precondition(!runs.isEmpty, "there is no run to serve")
        let counts = PredictionMetrics(runs: runs.map(\.name), in: metrics)
        (self.runs, self.options, self.metrics) = (runs, options, counts)
        self.timeout = .seconds(timeout)
        places = Places(options.places) { counts.inProgress($0) }
        batcher = Batcher(
            runs: runs.count, limit: options.batch, patience: .milliseconds(options.patience), threads: options.threads,
            metrics: counts)
        decoders = NIOThreadPool(numberOfThreads: options.threads)
        decoders.start()
    }

    /// Loads the models, and has each classify an image and a full pass, so that the first request is as fast as the others.
    /// - Throws: a one-line error for a run whose model cannot be loaded.
    public func load() async throws {
        let loaded = try await startWorker()
        // Where a diffusion model or a GPU does the work, two passes at a time gain nothing.
        let isOnProcessors = loaded.allSatisfy { $0.preparation != nil && $0.isOnCPU }
        if isOnProcessors, options.threads > 1 { _ = try await startWorker() }
        models.withLock { $0 = loaded }
        metrics.isReady()
    }

    /// Starts a thread with models of its own.
    private func startWorker() async throws -> [Model] {
        try await batcher.start { [runs, options] in
            try runs.map { run in
                var model = try RunPredictor(
                    run: run.path, averaged: options.averaged, device: options.device, threads: options.threads)
                if model.preparation != nil {
                    // As the passes will be, whose threads the weights are packed for.
                    let images = Array(repeating: RGBImage(width: 8, height: 8), count: min(options.batch, 16))
                    _ = try model.probabilities(Array(images.prefix(1)), threads: options.threads)
                    _ = try model.probabilities(images, threads: max(1, options.threads / 2))
                }
                return model
            }
        } describe: { models in
            models.map { Model(classes: $0.classes, preparation: $0.preparation, isOnCPU: $0.isOnCPU) }
        }
    }

    /// Ends the threads, once no request is answered any more.
    public func stop() async {
        batcher.stop()
        try? await decoders.shutdownGracefully()
    }

    /// Adds the routes to a server.
    public func mount(on server: WebServer) {
        server.on(.get, "/readyz") { [self] _, _ in
            _ = try loadedModels()
            return Response(json: ["status": "ready"])
        }
        server.on(.get, "/metrics") { [metrics] _, _ in
            Response(text: metrics.exposition(), type: "text/plain; version=0.0.4; charset=utf-8")
        }
        server.on(.get, "/v1/runs") { [self] _, _ in
            let models = try loadedModels()
            let list = zip(runs, models).map { run, model in
                JSONValue.object(run.record.merging(["classes": JSONValue(model.classes)]) { $1 })
            }
            return Response(json: ["runs": .array(list)])
        }
        server.on(.post, "/v1/predict") { [self] in try await predict($0, $1) }
        server.on(.post, "/v1/runs/{name}/predict") { [self] in try await predict($0, $1) }
    }

    private func loadedModels() throws -> [Model] {
        guard let models = models.withLock({ $0 }) else {
            throw WebError.busy("the models are being loaded; ask again in a moment")
        }
        return models
    }

    /// The place of the run that a request names, or of the only one.
    private func run(named name: String?) throws -> Int {
        guard let name else {
            guard runs.count == 1 else {
                throw WebError(
                    .badRequest, "several runs are served; name one as in /v1/runs/\(runs[0].name)/predict")
            }
            return 0
        }
        guard let place = runs.firstIndex(where: { $0.name == name }) else {
            throw WebError(
                .notFound, "no run '\(shortened(name))' is served" + suggestion(for: name, among: runs.map(\.name)))
        }
        return place
    }

    private func predict(_ request: Request, _ context: WebContext) async throws -> Response {
        let deadline = ContinuousClock.now + timeout
        let run = try run(named: context.parameters.get("name")?.removingPercentEncoding)
        let model = try loadedModels()[run]
        let form = try PredictionInput.Form(request.headers[.contentType])
        let asked = try request.uri.queryParameters["top"].map { try PredictionInput.count($0) }
        return try await places.hold(1) {
            let body = try await context.body(of: request, until: deadline)
            let input = try await decoders.runIfActive { try PredictionInput(form, body: body) }
            guard input.images.count <= places.count else {
                throw WebError(
                    .contentTooLarge,
                    "\(input.images.count) images are too many for this server; send at most \(places.count)"
                )
            }
            return try await places.hold(input.images.count - 1) {
                let rows = await probabilities(of: input.images, run, model, deadline)
                // The only image has the request's status.
                if rows.count == 1 { _ = try rows[0].get() }
                let top = input.top ?? asked ?? Self.defaultTop
                return Response(json: [
                    "run": .string(runs[run].name),
                    "images": .array(zip(input.images, rows).map { Self.json($0.name, $1, model.classes, top) }),
                ])
            }
        }
    }

    private static func json(
        _ name: String, _ row: Result<[Double], WebError>, _ classes: [String], _ top: Int
    ) -> JSONValue {
        switch row {
        case .success(let row):
            ["image": .string(name), "predictions": RunPredictor.json(row, of: classes, top: top)]
        case .failure(let error): ["image": .string(name), "error": .string(plainText(error.message))]
        }
    }

    /// The probabilities of images, in order, or why there are none.
    private func probabilities(
        of images: [PredictionInput.Image], _ run: Int, _ model: Model, _ deadline: ContinuousClock.Instant
    ) async -> [Result<[Double], WebError>] {
        batcher.expect(images.count)
        return await withTaskGroup(of: (Int, Result<[Double], WebError>).self) { group in
            for (place, image) in images.enumerated() {
                group.addTask { [self] in (place, await probabilities(of: image, run, model, deadline)) }
            }
            return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }.sorted { $0.key < $1.key }.map(\.value)
        }
    }

    private func probabilities(
        of image: PredictionInput.Image, _ run: Int, _ model: Model, _ deadline: ContinuousClock.Instant
    ) async -> Result<[Double], WebError> {
        let decoded: RGBImage
        do {
            decoded = try await decoders.runIfActive { [self] in try decode(image, run, model) }
        } catch {
            batcher.expect(-1)
            metrics.unreadable(run: run)
            return .failure(Self.refusal(error))
        }
        do {
            let row = try await batcher.probabilities(of: decoded, run: run, deadline: deadline)
            metrics.classified(run: run)
            return .success(row)
        } catch let error as WebError {
            return .failure(error)
        } catch {
            Terminal.printError("error: \(runs[run].name): \(error)")
            return .failure(WebError(.internalServerError, "the network failed; the server's log says why"))
        }
    }

    /// The pixels of an image as the network takes them; on a thread for it.
    private func decode(_ image: PredictionInput.Image, _ run: Int, _ model: Model) throws -> RGBImage {
        let start = ContinuousClock.now
        let decoded = try ImageFile.decode(
            bytes: image.bytes.get(), name: image.name, pixelLimit: options.pixelLimit)
        var generator = SeededGenerator(seed: 0)
        let prepared = model.preparation?.apply(decoded, using: &generator) ?? decoded
        metrics.decoded(run: run, duration: start.duration(to: .now))
        return prepared
    }

    private static func refusal(_ error: any Error) -> WebError {
        switch error {
        case let error as WebError: error
        case ImageError.tooLarge, ImageError.bomb: WebError(.contentTooLarge, "\(error)")
        case is ImageError: WebError(.unprocessableContent, "\(error)")
        default: WebError.busy("the server is ending; send it to another")
        }
    }
}
