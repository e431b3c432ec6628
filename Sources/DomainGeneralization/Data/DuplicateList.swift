import Foundations

/// A list of images that are left out of a data set, in its folder: DomainBed's list of DomainNet's duplicates, whose
/// lines are paths relative to the folder. DomainBed deletes the files; here they stay, and are left out.
struct DuplicateList {
    static let name = "domain_net_duplicates.txt"
    /// Images of DomainNet without its duplicates.
    private static let cleanCount = 586_575

    private let paths: Set<Substring>

    /// - Parameter root: the data set's folder.
    /// - Throws: `UserError` for a list that cannot be read, or names something outside the folder.
    init(root: String) throws {
        let file = "\(root)/\(Self.name)"
        guard Files.exists(file) else {
            paths = []
            return
        }
        guard let data = Files.contents(file) else {
            throw UserError("\(file): cannot be read; check its permissions")
        }
        let lines = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline)
        let listed = lines.map { $0.drop { $0 == " " }.prefix { $0 != "\r" } }
        paths = Set(listed)
        if let odd = listed.first(where: { $0.hasPrefix("/") || $0.split(separator: "/").contains("..") }) {
            throw UserError("\(file): '\(odd)' is no path inside the data set; restore DomainBed's list")
        }
    }

    /// - Parameter path: relative to the data set's folder.
    func contains(_ path: Substring) -> Bool { paths.contains(path) }

    /// What is to be said of a copy of DomainNet.
    static func warnings(_ dataset: ImageFolder) -> [String] {
        guard dataset.items.count > cleanCount, dataset.leftOut.isEmpty else { return [] }
        return [
            "\(dataset.root): \(dataset.items.count) images, \(cleanCount) without duplicates; put DomainBed's \(name) into "
                + "the folder, or the splits are not DomainBed's"
        ]
    }
}
