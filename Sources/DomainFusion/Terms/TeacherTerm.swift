import Backbones
import DomainGeneralization
import Foundations
import Torch

/// Settings of distillation from a classifier that was trained before.
public struct TeacherSettings: Hyperparameters, Equatable {
    /// The folder of the teacher's run, which is done and held out the same domains.
    public var run = ""
    /// λ, the factor of the term.
    public var weight = 1.0
    /// T, which divides the logits of both.
    public var temperature = 2.0

    /// Every setting at its default.
    public init() {}

    /// The settings one by one: what they mean and their bounds.
    public static let fields: [Setting<Self>] = [
        Setting("run", \.run, "folder of the teacher's run, which is done and held out the same domains"),
        Setting("weight", \.weight, "factor of the term in the loss", .above(0)),
        Setting("temperature", \.temperature, "divides the logits of teacher and student", .above(0)),
    ]
}

/// A classifier that another one learns from.
public struct Teacher {
    /// Logits [N, classes] of N images that are normalised as the run's, which show the items of these indices.
    public let logits: (_ images: Tensor, _ items: [Int]) throws -> Tensor

    /// A teacher of this function.
    public init(logits: @escaping (_ images: Tensor, _ items: [Int]) throws -> Tensor) { self.logits = logits }

    /// Makes the teacher that a setting names, for a run.
    public typealias Loader = @Sendable (_ run: String, _ context: AlgorithmContext) throws -> Teacher
}

/// Distillation: the classifier is to say what a teacher says of the step's images, of source images and of those that were added
/// (Hinton and others 2015, https://arxiv.org/abs/1503.02531): λ·T²·KL(softmax(teacher/T) ‖ softmax(f/T)).
///
/// With a teacher that takes the diffusion model's features the student learns what they say, and needs no diffusion model when it
/// predicts. Of an added image the teacher is given the features of the source image that it was made of.
public final class TeacherTerm: LossTerm {
    private let settings: TeacherSettings
    private let teacher: Teacher

    /// The term of a run.
    public init(_ settings: TeacherSettings, teacher: Teacher) {
        self.settings = settings
        self.teacher = teacher
    }

    /// The divergence from the teacher; logs `teacher_loss`.
    /// - Throws: what the teacher throws.
    public func loss(_ images: ClassifiedImages, step: Int) throws -> (loss: Tensor, metrics: [Metric]) {
        var (inputs, items, logits) = (images.images, images.items, images.logits)
        if let added = images.added {
            inputs = .concatenated([inputs, added.inputs.images])
            items += added.items
            logits = .concatenated([logits, added.logits()])
        }
        let temperature = settings.temperature
        let wanted = try noGrad { (try teacher.logits(inputs, items) / temperature).softmax(1) }
        let divergence = temperature * temperature * distillationLoss(logits / temperature, wanted)
        return (settings.weight * divergence, [Metric("teacher_loss", divergence.item())])
    }
}
