import Foundation

/// A public data set of domain generalization, known by its folder as DomainBed lays it.
public struct KnownDataset: Sendable {
    public let name: String
    /// The folder's name.
    public let folder: String
    /// Its domains' folders, sorted.
    public let domains: [String]

    public static let all = [
        KnownDataset(name: "PACS", folder: "PACS", domains: ["art_painting", "cartoon", "photo", "sketch"]),
        KnownDataset(name: "VLCS", folder: "VLCS", domains: ["Caltech101", "LabelMe", "SUN09", "VOC2007"]),
        KnownDataset(name: "OfficeHome", folder: "office_home", domains: ["Art", "Clipart", "Product", "Real World"]),
        KnownDataset(
            name: "TerraIncognita", folder: "terra_incognita",
            domains: ["location_100", "location_38", "location_43", "location_46"]),
        KnownDataset(
            name: "DomainNet", folder: "domain_net",
            domains: ["clipart", "infograph", "painting", "quickdraw", "real", "sketch"]),
    ]

    /// The folder that a user means: a path as it is, else a data set's name or folder under `directory`.
    public static func locate(_ text: String, directory: String = "data") -> String {
        let files = FileManager.default
        if files.fileExists(atPath: text) || text.contains("/") { return text }
        let folder = all.first { $0.name.lowercased() == text.lowercased() }?.folder ?? text
        let path = "\(directory)/\(folder)"
        return files.fileExists(atPath: path) ? path : text
    }

    /// The data sets in a folder, by their paths: those of the shape `<name>/<domain>/<class>/<image>`.
    public static func found(in directory: String) -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return sortedByCodePoint(names).map { "\(directory)/\($0)" }.filter { (try? ImageFolder($0)) != nil }
    }
}
