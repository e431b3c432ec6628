import Foundations

/// What a diffusion model was taught beside its first training, and of what: `fine_tuning.json` in its folder.
public struct FineTuningRecord: Codable, Sendable, Equatable {
    /// The file's name.
    public static let file = "fine_tuning.json"

    /// The model that it began with; empty for one that began with nothing.
    public var model: String
    /// The name of the images' folder.
    public var data: String
    /// The domains that the images are of; empty where the folder is no data set.
    public var domains: [String]
    /// Number of images.
    public var images: Int
    /// Updates of the weights.
    public var steps: Int
    /// Seconds of the updates.
    public var seconds: Double
    /// What the model that it began with had been taught, oldest first.
    public var before: [FineTuningRecord] = []

    /// A record of one fine-tuning.
    public init(model: String, data: String, domains: [String], images: Int, steps: Int, seconds: Double) {
        (self.model, self.data, self.domains) = (model, data, domains)
        (self.images, self.steps, self.seconds) = (images, steps, seconds)
    }

    /// The record of a model's folder, or of a file in it; nil where there is none.
    /// - Throws: `UserError` for a file that is no record.
    public init?(model path: String) throws {
        let folder = Files.isFolder(path) ? path : FilePath.folder(of: path)
        guard let data = Files.contents("\(folder)/\(Self.file)") else { return nil }
        guard let found = try? JSONValue(json: data)?.decoded(as: Self.self), found.all.allSatisfy(\.isPossible) else {
            throw UserError(
                "\(folder)/\(Self.file): damaged; restore it, or delete it: then nothing is known of the fine-tuning")
        }
        self = found
    }

    /// Writes the record into a model's folder.
    /// - Throws: a one-line error when the file cannot be written.
    public func write(to folder: String) throws {
        try AtomicFile.makeFolder(folder)
        try AtomicFile.write(JSONValue(encoding: self).text + "\n", to: "\(folder)/\(Self.file)")
    }

    /// This and what was before it, oldest first.
    public var all: [FineTuningRecord] { before + [self] }

    /// Whether the model has learned from images of a domain of a data set.
    public func hasSeen(_ domain: String, of data: String) -> Bool {
        all.contains { $0.data == data && $0.domains.contains(domain) }
    }

    private var isPossible: Bool { (0...1 << 50).contains(steps) && seconds >= 0 && seconds.isFinite }
}
