import Foundations

/// A setting that a random search draws: a hyperparameter's ``Setting`` makes its own.
///
/// Each draws from a generator of its own, seeded by its DomainBed name: a new setting does not move the others' draws.
public struct SearchRange: Sendable, Equatable {
    /// What a setting belongs to.
    public enum Place: Sendable, Equatable {
        /// The algorithm's hyperparameters; the setting is a property's name.
        case algorithm
        /// The run's settings; the setting is its name in the configuration file, with dots: `backbone.dropout`.
        case run
    }

    /// Data sets that DomainBed gives ranges of their own.
    public enum Family: Sendable, Equatable, CaseIterable {
        /// Everything else: photographs and drawings. What is not said of another family is this one's.
        case standard
        /// 28×28 pixels: RotatedMNIST, ColoredMNIST and those built alike.
        case smallImages
        /// DomainNet, whose runs are longer.
        case domainNet
        /// PACS: photographs, paintings, cartoons and sketches.
        case pacs
        /// OfficeHome: things of office and home, as photographs and drawings.
        case officeHome
        /// TerraIncognita: animals before camera traps at four places.
        case terraIncognita

        /// The family of a data set by its name.
        public init(dataset: String) {
            let name = dataset.lowercased().replacing("_", with: "")
            switch name {
            case "domainnet": self = .domainNet
            case "pacs": self = .pacs
            case "officehome": self = .officeHome
            case "terraincognita": self = .terraIncognita
            default: self = name.hasSuffix("mnist") || name == "debug28" ? .smallImages : .standard
            }
        }
    }

    private struct Variant: Sendable, Equatable {
        let standard: JSONValue?
        let draw: Draw
    }

    /// The setting's name, with dots in groups.
    public private(set) var setting: String
    /// Whether the setting is the run's or the algorithm's.
    public let place: Place
    /// DomainBed's name, which seeds the draw and names the value in a record.
    public let key: String
    private var variants: [Family: Variant]

    /// A range of a setting, the same on all data sets until ``on(_:default:_:)`` says otherwise.
    /// - Parameters:
    ///   - setting: the setting's name.
    ///   - key: DomainBed's name of it; by default the same.
    ///   - default: DomainBed's default, where the range is for a setting of the run, or differs from the property's.
    ///   - draw: what a random search draws.
    public init(
        _ setting: String, of place: Place = .algorithm, as key: String? = nil, default standard: JSONValue? = nil,
        _ draw: Draw
    ) {
        self.setting = setting
        self.place = place
        self.key = key ?? setting
        variants = [.standard: Variant(standard: standard, draw: draw)]
    }

    /// The same with another default and another range on a family of data sets.
    public func on(_ family: Family, default standard: JSONValue? = nil, _ draw: Draw) -> SearchRange {
        var result = self
        result.variants[family] = Variant(standard: standard, draw: draw)
        return result
    }

    /// The same for a setting of another name: that with the names of its groups.
    func of(_ setting: String) -> SearchRange {
        var result = self
        result.setting = setting
        return result
    }

    /// DomainBed's default on a data set; nil where the property's own default holds.
    public func standard(dataset: String) -> JSONValue? { variant(dataset).standard }

    /// What is drawn on a data set.
    public func draw(dataset: String) -> Draw { variant(dataset).draw }

    private func variant(_ dataset: String) -> Variant {
        variants[Family(dataset: dataset)] ?? variants[.standard] ?? Variant(standard: nil, draw: .constant(.null))
    }
}

extension [SearchRange] {
    /// The settings of a run that DomainBed searches whatever the algorithm is.
    public static let ofRun: [SearchRange] = [
        SearchRange("learningRate", of: .run, as: "lr", default: .double(5e-5), .power(10, -5, -3.5))
            .on(.smallImages, default: .double(1e-3), .power(10, -4.5, -2.5)),
        SearchRange("weightDecay", of: .run, as: "weight_decay", default: .double(0), .power(10, -6, -2))
            .on(.smallImages, default: .double(0), .constant(.double(0))),
        SearchRange("batchSize", of: .run, as: "batch_size", default: .int(32), .wholePower(2, 3, 5.5))
            .on(.smallImages, default: .int(64), .wholePower(2, 3, 9))
            .on(.domainNet, default: .int(32), .wholePower(2, 3, 5)),
        SearchRange("backbone.dropout", of: .run, as: "resnet_dropout", default: .double(0), .choice([0, 0.1, 0.5])),
    ]
}
