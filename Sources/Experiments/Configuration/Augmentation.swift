import Backbones
import DomainGeneralization
import Pixels

/// What happens to an image before it is trained on.
public enum Augmentation: String, SettingChoice {
    /// DomainBed's: random crop, flip, colour jitter of 0.3, one greyscale image in ten. Brightness is multiplied, so a
    /// white ground turns grey.
    case domainbed
    /// Random crop and flip alone: colours stay.
    case cropFlip = "crop-flip"
    /// Training images are only resized, as in evaluation.
    case none

    /// The transforms of training, and the backbone's normalisation.
    public func pipeline(size: Int, normalization: Normalization) -> ImagePipeline {
        switch self {
        case .domainbed: .training(size: size, normalization: normalization)
        case .cropFlip:
            ImagePipeline([RandomResizedCrop(size), RandomHorizontalFlip()], normalization: normalization)
        case .none: .evaluation(size: size, normalization: normalization)
        }
    }
}

extension Normalization {
    /// A backbone's normalisation.
    init(_ normalisation: InputNormalisation) {
        self.init(mean: normalisation.mean.map(Float.init), deviation: normalisation.deviation.map(Float.init))
    }
}
