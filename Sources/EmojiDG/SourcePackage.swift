import Foundation
import Foundations

/// A package that artwork or data come from.
public struct SourcePackage: Sendable, Hashable {
    /// Where a package is published.
    public enum Registry: String, Sendable {
        /// Debian's archive, installed by apt-get.
        case debian = "Debian"
        /// The Python package index, whose wheels are unpacked and not installed.
        case pypi = "PyPI"
    }

    /// Where the package is published.
    public let registry: Registry
    /// The package's name in its registry: `fonts-noto-color-emoji`.
    public let name: String

    static func debian(_ name: String) -> SourcePackage { SourcePackage(registry: .debian, name: name) }
    static func pypi(_ name: String) -> SourcePackage { SourcePackage(registry: .pypi, name: name) }

    /// The command that installs it.
    public var command: String {
        switch registry {
        case .debian: "apt-get install \(name)"
        case .pypi: "scripts/bootstrap (PyPI package \(name))"
        }
    }
}

/// The versions of Debian packages installed on this machine.
///
/// - Returns: empty where there is no dpkg.
func installedDebianVersions(status: String = "/var/lib/dpkg/status") -> [String: String] {
    guard let data = FileManager.default.contents(atPath: status) else { return [:] }
    var versions: [String: String] = [:]
    var package = ""
    for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
        if line.hasPrefix("Package: ") {
            package = String(line.dropFirst("Package: ".count))
        } else if line.hasPrefix("Version: ") {
            versions[package] = String(line.dropFirst("Version: ".count))
        }
    }
    return versions
}

/// The version in the metadata of an unpacked wheel.
func wheelVersion(in folder: String) -> String? {
    guard let names = Files.names(in: folder), let info = names.first(where: { $0.hasSuffix(".dist-info") }),
        let metadata = Files.contents("\(folder)/\(info)/METADATA")
    else { return nil }
    return String(decoding: metadata, as: UTF8.self).split(separator: "\n")
        .first { $0.hasPrefix("Version: ") }
        .map { $0.dropFirst("Version: ".count).trimmingCharacters(in: .whitespacesAndNewlines) }
}
