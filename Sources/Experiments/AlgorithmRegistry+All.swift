import DomainFusion
import DomainGeneralization

extension AlgorithmRegistry {
    /// Every algorithm of the toolkit.
    public static let all =
        AlgorithmRegistry.standard + [
            MODEA.description, DomainFusionAlgorithm.description(judge: RunJudge.load),
            GenerativeClassifier.description,
        ]
}
