import ArgumentParser
import Experiments
import Foundation
import Foundations
import Serving
import Studio

struct StudioCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "studio",
        abstract: "Show runs on a web page: all of them, each as it trains, comparisons, images to try.",
        discussion: """
            Finds the runs below a folder, sweeps' among them, and prints an address with a token to open in a browser. A \
            run's page follows its training, and a finished run's classifier is tried on images that are dropped there. \
            With --ldm the page shows how the diffusion model makes candidates of such an image, and the image's LD curve.

            Only programs on this machine reach it, unless --host says otherwise. The token is made anew at each start; \
            one that stays comes from a file or from the environment, and is not printed. Nothing is written into the runs.

            Examples:
              domainfusion studio
              domainfusion studio --runs runs/sweep --port 8091
              domainfusion studio --runs runs --ldm Models/emoji-ldm
            """)

    @Option(help: "The folder below which runs are looked for.", completion: .directory)
    var runs = StudioOptions().runs

    @Option(help: "The name or address to listen at; 0.0.0.0 for all of this machine.")
    var host = WebSettings().host

    @Option(help: "The port to listen at; 0 for any that is free.")
    var port = 8090

    @Option(
        help:
            "A file with the token that requests must show; by default what \(ServeCommand.tokenVariable) holds, or a new one."
    )
    var tokenFile: String?

    @Option(help: "The longest request, in MiB.")
    var maxBody = WebSettings().bodyLimit >> 20

    @Option(help: "The most pixels of an image.")
    var maxPixels = StudioOptions().pixelLimit

    @OptionGroup var model: LDMOption

    @OptionGroup var storing: StoreOption

    @OptionGroup var placement: DeviceOption

    @OptionGroup var threading: ThreadsOption

    func validate() throws {
        guard !host.isEmpty else { throw ValidationError("--host: is empty; give a name or an address") }
        try check("--port", port, in: 0...65535)
        try check("--max-body", maxBody, in: 1...1024)
        try check("--max-pixels", maxPixels, in: 1...ServingOptions.mostPixels)
    }

    func run() async throws {
        var settings = WebSettings()
        (settings.host, settings.port) = (host, port)
        settings.bodyLimit = maxBody << 20
        let (token, text) = try access()
        settings.token = token
        let studio = try StudioService(try options())
        if !settings.isLoopback {
            printError("warning: --host \(host): the token travels in plain text to whoever opens the page from afar")
        }
        let runs = plainText(runs)
        try await studio.server(settings).run { address in
            try await studio.load()
            Terminal.printLine(
                "runs in \(runs): open \(address)/"
                    + (text.map { "?token=\($0)" } ?? "?token=… with the token that you gave"))
        }
        await studio.stop()
        printError("stopped")
    }

    /// The token, and its text where it is new.
    private func access() throws -> (AccessToken, String?) {
        if let tokenFile { return (try AccessToken(file: tokenFile), nil) }
        if let given = ProcessInfo.processInfo.environment[ServeCommand.tokenVariable] {
            return (try AccessToken(given, from: ServeCommand.tokenVariable), nil)
        }
        let (token, text) = try AccessToken.random()
        return (token, text)
    }

    private func options() throws -> StudioOptions {
        var options = StudioOptions()
        options.runs = runs
        options.device = placement.name
        options.threads = threading.count
        options.pixelLimit = maxPixels
        options.store = storing.folder
        guard model.ldm != nil else { return options }
        let device = try placement.found()
        options.prompt = model.prompt(nil, other: options.prompt)
        // The curves' differences need the autoencoder's full precision.
        options.diffusion = { [model] in try model.load(device: device, vaePrecision: .float32) }
        return options
    }
}
