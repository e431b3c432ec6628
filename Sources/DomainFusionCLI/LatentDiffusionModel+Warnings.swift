import Diffusion

extension LatentDiffusionModel {
    /// Tells on standard error what of prompts is too long for the model.
    func warnOfCutOffs(_ prompts: [String]) {
        for text in prompts {
            guard let cut = tokenizer.encoding(of: text).cutOff else { continue }
            printError(
                "warning: the prompt is longer than \(tokenizer.contextLength) tokens; this end of it is cut off: \"\(cut)\""
            )
        }
    }
}
