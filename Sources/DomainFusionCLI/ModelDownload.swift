import Diffusion
import DomainGeneralization
import Experiments
import Foundation
import Foundations
import Hub
import Torch

/// Diffusion models on the command line: a folder, or an id of the Hugging Face hub, whose model is fetched where it is
/// not in the cache.
enum ModelDownload {
    /// - Parameters:
    ///   - name: a folder in diffusers layout, `ORG/NAME` or `ORG/NAME@REVISION`.
    ///   - vae: the folder of an autoencoder in place of the model's own.
    ///   - vaePrecision: that of the autoencoder, where it is to be another.
    /// - Throws: a one-line error.
    static func load(
        _ name: String, vae: String? = nil, device: Device = .cpu, precision: ModelPrecision = .float32,
        vaePrecision: ModelPrecision? = nil, imageSize: Int? = nil
    ) throws -> LatentDiffusionModel {
        let dtype = try precision.dtype(on: device)
        try fetchIfMissing(name, precision: precision)
        return try LatentDiffusionModel(
            path: name, vaeFolder: vae, device: device, dtype: dtype, vaeDType: vaePrecision?.dtype,
            imageSize: imageSize)
    }

    /// Fetches a model that is named by an id, is not whole in the cache, and may be fetched.
    static func fetchIfMissing(_ name: String, precision: ModelPrecision) throws {
        guard !Files.exists(name), let id = HubCache.ModelID(name), HubCache().completeSnapshot(id) == nil else {
            return
        }
        let download = try HubDownload(precision: precision)
        guard !download.settings.isOffline else { return }
        _ = try fetch(id, download)
    }

    /// Fetches the models that the settings of the algorithm, or of what is added to it, name.
    static func fetchIfMissing(for configuration: RunConfiguration) throws {
        for settings in [configuration.algorithm.hyperparameters, .object(configuration.diffusion ?? [:])] {
            guard let name = settings["ldm"]?.string else { continue }
            let precision = settings["ldmDtype"]?.string
            try fetchIfMissing(name, precision: precision.flatMap(ModelPrecision.init(rawValue:)) ?? .float32)
        }
    }

    /// Fetches a model and tells on standard error how far it is.
    static func fetch(_ id: HubCache.ModelID, _ download: HubDownload) throws -> HubCache.Snapshot {
        var download = download
        let display = DownloadDisplay(id, download.settings.endpoint)
        download.poll = { try Interruption.poll() }
        download.report = { display.show($0) }
        defer { display.clear() }
        return try download.fetch(id)
    }
}

/// A bar for the file that is coming, and a line for each that has come.
private final class DownloadDisplay: @unchecked Sendable {  // variables are guarded by the lock
    private let lock = NSLock()
    private let id: HubCache.ModelID
    private let endpoint: String
    private var file = ""
    private var bar: Progress?

    init(_ id: HubCache.ModelID, _ endpoint: String) {
        self.id = id
        self.endpoint = endpoint
    }

    func show(_ event: HubDownload.Event) {
        lock.withLock {
            switch event {
            case .begins(let files, let bytes):
                say("\(id): fetching \(files) \(files == 1 ? "file" : "files"), \(ByteCount(bytes)), from \(endpoint)")
            case .note(let line): say(line)
            case .progress(let name, let bytes, let total):
                if name != file {
                    bar?.clear()
                    file = name
                    bar = Progress(name, unit: "MB")
                }
                if total >= 1_000_000 { bar?.show(bytes / 1_000_000, of: total / 1_000_000) }
            case .fetched(let name, let bytes): say("\(name): \(ByteCount(bytes))")
            }
        }
    }

    private func say(_ line: String) {
        if let bar { bar.print(line) } else { printError(line) }
    }

    func clear() { lock.withLock { bar?.clear() } }
}
