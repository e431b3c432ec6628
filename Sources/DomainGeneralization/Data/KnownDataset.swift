import Foundation
import Foundations

/// A public data set of domain generalization, known by its folder as DomainBed lays it.
public struct KnownDataset: Sendable {
    /// DomainBed's name, or ours.
    public let name: String
    /// The name of its folder, as DomainBed lays it.
    public let folder: String
    /// Its domains' folders, sorted; some copies write one otherwise.
    public let domains: [String]
    /// Where and how to get it, in one line.
    public let source: String
    /// Steps of a run in DomainBed and in SWAD.
    public let steps: (domainBed: Int, swad: Int)
    /// Steps between two checkpoints in DomainBed and in SWAD's published commands.
    public let evaluateEvery: (domainBed: Int, swad: Int)

    private init(
        _ name: String, folder: String? = nil, _ domains: [String], swadSteps: Int = 5000,
        every: (Int, Int) = (300, 100),
        from source: String
    ) {
        self.name = name
        self.folder = folder ?? name
        self.domains = domains
        self.source = source
        steps = (5000, swadSteps)
        evaluateEvery = every
    }

    private static let drive = "https://drive.google.com/uc?id="

    /// The public data sets that are known, DomainBed's and a few more.
    public static let all: [KnownDataset] =
        [
            KnownDataset(
                "EmojiDG", ["emojione", "noto", "openmoji", "symbola", "unifont"],
                from: "run: domainfusion data prepare emoji"
            ),
            KnownDataset(
                "PACS", ["art_painting", "cartoon", "photo", "sketch"],
                from: "fetch PACS.zip (\(drive)1JFr8f805nMUelQWWmfnJR3y4_SYoN5Pd); its folder kfold is the data set"),
            KnownDataset(
                "VLCS", ["Caltech101", "LabelMe", "SUN09", "VOC2007"], every: (300, 50),
                from: "fetch VLCS.tar.gz (\(drive)1skwblH1_okBwxWxmRsp9_qi15hyPpxg8) as DomainBed packs it"),
            KnownDataset(
                "OfficeHome", folder: "office_home", ["Art", "Clipart", "Product", "Real World"],
                from: "fetch office_home.zip (\(drive)1uY0pj7oFsjMxRwaD3Sxy0jgel0fsYXLC); its folder "
                    + "OfficeHomeDataset_10072016 is the data set"),
            KnownDataset(
                "TerraIncognita", folder: "terra_incognita",
                ["location_100", "location_38", "location_43", "location_46"],
                from:
                    "fetch the ECCV 2018 subset of Caltech Camera Traps (https://lila.science/datasets/caltech-camera-traps) "
                    + "and sort it as DomainBed's download script does"),
            KnownDataset(
                "DomainNet", folder: "domain_net", ["clipart", "infograph", "painting", "quickdraw", "real", "sketch"],
                swadSteps: 15000, every: (1000, 500),
                from: "fetch the six zips of the cleaned version (http://ai.bu.edu/M3SDA), and put DomainBed's "
                    + "\(DuplicateList.name) beside the domains"),
            KnownDataset(
                "SVIRO", folder: "sviro",
                ["aclass", "escape", "hilux", "i3", "lexus", "tesla", "tiguan", "tucson", "x5", "zoe"],
                from:
                    "fetch sviro_grayscale_rectangle_classification.zip (https://sviro.kl.dfki.de/?wpdmdl=1731); its folder "
                    + "SVIRO_DOMAINBED is the data set"),
        ]
        + HandwrittenBenchmark.allCases.map {
            KnownDataset(
                $0.rawValue, $0.domains, every: (100, 100), from: "run: domainfusion data prepare \($0.command)")
        }

    /// The data set of this name or folder, whatever its case.
    public static func named(_ text: String) -> KnownDataset? {
        let wanted = FilePath.name(of: text).lowercased()
        return all.first { wanted == $0.name.lowercased() || wanted == $0.folder.lowercased() }
    }

    /// The folder that a user means: a path as it is, else a data set's name or folder under `directory`. What is not in the
    /// working directory's `data/` may be in that of the program's home; see `InstalledFiles`.
    public static func locate(_ text: String, directory: String = "data") -> String {
        if Files.exists(text) { return text }
        if text.contains("/") { return InstalledFiles.here.locate(text) }
        let folder = all.first { $0.name.lowercased() == text.lowercased() }?.folder ?? text
        let path = InstalledFiles.here.locate("\(directory)/\(folder)")
        return Files.exists(path) ? path : text
    }

    /// The folder of a data set that must be there.
    /// - Throws: `UserError` with how to get a known one that is missing, or with near misses.
    public static func resolve(_ text: String, directory: String) throws -> String {
        let path = locate(text, directory: directory)
        guard !Files.exists(path) else { return path }
        if let known = named(text) {
            throw UserError("\(known.name) is not in \(directory); \(known.remedy(directory: directory))")
        }
        let names = all.map(\.name) + found(in: directory).map { FilePath.name(of: $0) }
        throw UserError("no data set '\(text)' in \(directory)" + suggestion(for: text, among: Set(names).sorted()))
    }

    /// The data sets in a folder, by their paths: those of the shape `<name>/<domain>/<class>/<image>`.
    public static func found(in directory: String) -> [String] {
        (Files.names(in: directory) ?? []).map { "\(directory)/\($0)" }.filter { (try? ImageFolder($0)) != nil }
    }

    /// How to get what is missing, and where it belongs.
    public func remedy(directory: String = "data") -> String {
        source.hasPrefix("run:")
            ? source
            : "\(source); put it at \(directory)/\(folder), so that there is \(directory)/\(folder)/\(domains[0])/<class>/"
    }

    /// How a folder differs from the data set as it is published, a line each. A domain more or less gives other numbers
    /// of environments and other splits.
    public func differences(_ dataset: ImageFolder) -> [String] {
        func simple(_ name: String) -> String {
            let plain = name.lowercased().filter { !" _-".contains($0) }
            return plain == "realworld" ? "real" : plain
        }
        let known = Set(domains.map(simple))
        let there = Set(dataset.environments.map(simple))
        let missing = domains.filter { !there.contains(simple($0)) }
        let extra = dataset.environments.filter { !known.contains(simple($0)) }
        return missing.map { "\(dataset.root): \(name)'s domain \($0) is missing" }
            + extra.map { "\(dataset.root): '\($0)' is no domain of \(name); move it out, or it is trained on as one" }
            + (name == "DomainNet" ? DuplicateList.warnings(dataset) : [])
    }
}
