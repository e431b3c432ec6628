import Experiments
import Foundations
import Pixels
import Serving

/// The classifiers of the runs that were asked last, loaded when they are asked for.
struct Predictors {
    /// What a classifier says of an image.
    struct Answer: Sendable {
        let classes: [String]
        let probabilities: [Double]
    }

    private static let mostKept = 2

    private let device: String
    private let threads: Int
    /// The last asked comes last.
    private var kept: [(folder: String, stamp: FileStamp?, predictor: RunPredictor)] = []

    init(device: String, threads: Int) { (self.device, self.threads) = (device, threads) }

    /// The probabilities of an image by a finished run's classifier.
    /// - Throws: ``WebError`` for a run without a classifier that can be used.
    mutating func answer(_ image: RGBImage, run folder: String) throws -> Answer {
        // A run that was trained again has another seal.
        let stamp = FileStamp("\(folder)/done")
        var found: RunPredictor
        if let place = kept.firstIndex(where: { $0.folder == folder && $0.stamp == stamp }) {
            found = kept.remove(at: place).predictor
        } else {
            kept.removeAll { $0.folder == folder }
            if kept.count >= Self.mostKept { kept.removeFirst() }
            do {
                found = try RunPredictor(run: folder, device: device, threads: threads)
            } catch { throw WebError(.conflict, "\(error)") }
        }
        let row = try found.probabilities([image], threads: threads)
        kept.append((folder, stamp, found))
        return Answer(classes: found.classes, probabilities: row[0])
    }
}
