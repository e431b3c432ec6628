import Backbones
import DomainFusion
import DomainGeneralization
import Foundations
import Torch

/// The classifier of a finished run as another run's teacher.
enum RunTeacher {
    /// - Throws: a one-line error for a folder without a finished run, or a run whose classifier may have seen what `context`'s
    ///   run holds out.
    static func load(_ path: String, for context: AlgorithmContext) throws -> Teacher {
        let model = try FinishedModel.load(path, for: context, role: "teacher")
        guard model.configuration.imageSize == context.imageSize else {
            throw UserError(
                "\(path): sees images of \(model.configuration.imageSize) pixels, this run of \(context.imageSize); give it "
                    + "--image-size \(model.configuration.imageSize)")
        }
        let table = try model.frozenFeatures.map {
            try FrozenFeatureTable($0, dataset: context.dataset, images: context.images, device: context.device)
        }
        let normalization = context.normalization
        return Teacher { images, items in
            inferenceMode {
                let input = ClassifierInput(images, frozenFeatures: table?.features(of: items))
                return model.logits(input, normalisedBy: normalization)
            }
        }
    }
}
