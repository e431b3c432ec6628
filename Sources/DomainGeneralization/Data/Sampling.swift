import Foundations

/// How a step's images are drawn from the training items of their environment.
public enum Sampling: String, SettingChoice {
    /// Each by itself, with replacement: DomainBed's.
    case replacement
    /// In an order that is drawn anew for every pass: each image once an epoch of its environment.
    case epoch
}
