import ArgumentParser
import Foundation
import Foundations
import Serving

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Answer requests for predictions over HTTP by the classifiers of runs.",
        discussion: """
            POST /v1/predict takes an image, a form of images (multipart/form-data) or JSON, \
            {"images": ["BASE64", …], "top": 3}, and answers with the most probable classes. Of several runs, \
            /v1/runs/NAME/predict asks one, which is called as its folder. GET /v1/runs, /healthz, /readyz and /metrics \
            (Prometheus) tell of the server.

            Only programs on this machine reach it, unless --host says otherwise. A token that requests must show as \
            'Authorization: Bearer TOKEN' comes from a file or from the environment, where other users cannot see it.

            Examples:
              domainfusion serve runs/erm
              curl --data-binary @cat.jpg -H 'Content-Type: image/jpeg' 'http://127.0.0.1:8080/v1/predict?top=1'
              curl -F image=@cat.jpg -F image=@dog.png http://127.0.0.1:8080/v1/predict
              DOMAINFUSION_TOKEN=$(cat token) domainfusion serve runs/erm runs/fusion --host 0.0.0.0 --port 80
            """)

    /// The variable that may hold the token.
    static let tokenVariable = "DOMAINFUSION_TOKEN"

    @Argument(help: "The folders of finished runs.")
    var runs: [String]

    @Option(help: "The name or address to listen at; 0.0.0.0 for all of this machine.")
    var host = WebSettings().host

    @Option(help: "The port to listen at; 0 for any that is free.")
    var port = WebSettings().port

    @Option(help: "A file with the token that requests must show; by default what \(tokenVariable) holds, if anything.")
    var tokenFile: String?

    @Option(help: "The most images in one pass of the network.")
    var maxBatch = ServingOptions().batch

    @Option(help: "Milliseconds that an image waits for others of its pass.")
    var maxWait = Int(ServingOptions().patience)

    @Option(help: "The longest request, in MiB.")
    var maxBody = WebSettings().bodyLimit >> 20

    @Option(help: "The most pixels of an image.")
    var maxPixels = ServingOptions().pixelLimit

    @Option(help: "The most images that wait or are worked on; with more, requests get status 503.")
    var maxWaiting = ServingOptions().places

    @Option(help: "Seconds that a request may take to arrive and to be answered.")
    var timeout = Int(WebSettings().timeout)

    @OptionGroup var threading: ThreadsOption

    @OptionGroup var placement: DeviceOption

    @Flag(help: "Take the averaged models of runs with --average.")
    var averaged = false

    func validate() throws {
        guard !host.isEmpty else { throw ValidationError("--host: is empty; give a name or an address") }
        try check("--port", port, in: 0...65535)
        try check("--max-batch", maxBatch, in: 1...1024)
        try check("--max-wait", maxWait, in: 0...10_000)
        try check("--max-body", maxBody, in: 1...1024)
        try check("--max-pixels", maxPixels, in: 1...ServingOptions.mostPixels)
        try check("--max-waiting", maxWaiting, in: 1...65_536)
        try check("--timeout", timeout, in: 1...3600)
    }

    func run() async throws {
        let served = try ServedRun.all(runs)
        let settings = try settings()
        if !settings.isLoopback, settings.token == nil {
            printError(
                "warning: --host \(host): everybody who reaches this machine can ask for predictions; set --token-file")
        }
        let metrics = PrometheusMetrics()
        let server = WebServer(settings, metrics: metrics)
        let service = PredictionService(
            served, options: options, timeout: settings.timeout, metrics: metrics)
        service.mount(on: server)
        try await server.run { address in
            try await service.load()
            Terminal.printLine("serving \(served.map(\.name).joined(separator: ", ")) at \(address)")
        }
        await service.stop()
        printError("stopped; all requests that had come are answered")
    }

    private func settings() throws -> WebSettings {
        var settings = WebSettings()
        (settings.host, settings.port) = (host, port)
        settings.bodyLimit = maxBody << 20
        settings.timeout = Double(timeout)
        if let tokenFile {
            settings.token = try AccessToken(file: tokenFile)
        } else if let text = ProcessInfo.processInfo.environment[Self.tokenVariable] {
            settings.token = try AccessToken(text, from: Self.tokenVariable)
        }
        return settings
    }

    private var options: ServingOptions {
        var options = ServingOptions()
        options.averaged = averaged
        options.device = placement.name
        options.threads = threading.count
        options.batch = maxBatch
        options.patience = Double(maxWait)
        options.places = maxWaiting
        options.pixelLimit = maxPixels
        return options
    }
}
