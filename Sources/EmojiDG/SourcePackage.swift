import Foundation
import Foundations

/// A package that artwork or data come from.
public struct SourcePackage: Sendable, Hashable {
    public enum Registry: String, Sendable {
        case debian = "Debian"
        case pypi = "PyPI"
    }

    public let registry: Registry
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
