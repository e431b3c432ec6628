import Diffusion
import DomainFusion
import DomainGeneralization
import Experiments
import Foundations

/// How candidates and LD curves of one image are made: as a run's settings say, or by default.
struct CandidateSettings: Sendable {
    let augmentation: AugmentationSettings
    let distillation: LatentDistillationSettings

    /// - Parameter prompt: what the model is asked for where the run says nothing, or names a style, which the image has none of.
    /// - Throws: `UserError` for settings of the run that cannot be.
    init(_ run: RunConfiguration, prompt: String) throws {
        let isFusion = run.algorithm.name == DomainFusionAlgorithm.name
        let own = run.algorithm.hyperparameters
        let images = isFusion ? own["augmentation"] : run.images?["ola"]
        let terms = isFusion ? own["distillation"] : run.terms?["ld"]
        let words = (isFusion ? own["styles"] : run.diffusion?["styles"])?.object?.compactMapValues(\.string) ?? [:]

        var augmentation = AugmentationSettings()
        augmentation.prompts = [prompt]
        if let images { augmentation = try changed(augmentation, by: images, path: "augmentation") }
        let styles = DomainStyles(words, domains: words.keys.filter { !run.testDomains.contains($0) }.sorted())
        augmentation.prompts =
            words.isEmpty && augmentation.prompts.contains(where: Caption.namesStyle)
            ? [prompt] : try styles.prompts(augmentation.prompts)
        // There is no other image, and nobody judges.
        augmentation.amplitudes = .candidates
        (augmentation.judge, augmentation.judgeThreshold) = ("", 0)
        // They are to be seen one after the other.
        augmentation.batchSize = 1
        augmentation.candidates = min(augmentation.candidates, Self.mostCandidates)
        try augmentation.validate(path: "augmentation")
        self.augmentation = augmentation

        var distillation = LatentDistillationSettings()
        distillation.prompt = prompt
        if let terms { distillation = try changed(distillation, by: terms, path: "distillation") }
        if Caption.namesStyle(distillation.prompt) { distillation.prompt = prompt }
        try distillation.validate(path: "distillation")
        self.distillation = distillation
    }

    private static let mostCandidates = 16
}
