import DomainFusion
import Foundation
import Foundations
import Testing

@testable import DomainGeneralization
@testable import Experiments

/// Every setting of every algorithm is described once, by the property that it is.
struct SettingDescriptionTests {
    @Test(arguments: AlgorithmRegistry.all.algorithms.map(\.name))
    func everySettingHasOneField(_ name: String) throws {
        let algorithm = try AlgorithmRegistry.all.algorithm(named: name)
        check(algorithm.settings, algorithm.defaults, name)
        // The defaults are within their bounds.
        #expect(try algorithm.resolved(.object([:])) == algorithm.defaults)
    }

    @Test func everySettingOfARunHasOneField() throws {
        check(RunConfiguration.described(), try JSONValue(encoding: RunConfiguration()), "a run")
        try RunConfiguration().validate(path: "")
    }

    @Test func everySettingOfAnAdditionHasOneField() throws {
        for term in Additions.terms { check(term.settings, term.defaults, term.name) }
        for images in Additions.images { check(images.settings, images.defaults, images.name) }
        for features in Additions.features { check(features.settings, features.defaults, features.name) }
        check(
            DiffusionModelSettings.described(), try JSONValue(encoding: DiffusionModelSettings()), "the diffusion model"
        )
    }

    private func check(_ settings: [SettingDescription], _ defaults: JSONValue, _ name: String) {
        check(defaults, settings, group: "")
        for setting in settings {
            #expect(setting.help.count >= 8, "\(name): \(setting.name) has no help")
            // Swift writes a key path as \Type.property.
            let property = "\(setting.property)".split(separator: ".").last.map(String.init)
            #expect(setting.name.split(separator: ".").last.map(String.init) == property, "\(name): \(setting.name)")
            if let value = setting.value?.string, !setting.choices.isEmpty {
                #expect(setting.choices.contains(value) && setting.choices.count > 1)
            }
            for choice in setting.choices { #expect(setting.help.contains(choice), "\(name): \(setting.name)") }
        }
    }

    /// The properties of a group that are written to a file are those with fields.
    private func check(_ defaults: JSONValue, _ settings: [SettingDescription], group: String) {
        let inside = settings.compactMap { setting -> String? in
            // What may be left out is not written.
            guard setting.name.hasPrefix(group), setting.value != .null else { return nil }
            let rest = setting.name.dropFirst(group.count)
            return rest.contains(".") ? nil : String(rest)
        }
        #expect(inside.sorted() == (defaults.object ?? [:]).keys.sorted(), "\(group)")
        for setting in settings where setting.value == nil && inside.map({ group + $0 }).contains(setting.name) {
            let name = String(setting.name.dropFirst(group.count))
            check(defaults[name] ?? .null, settings, group: "\(setting.name).")
        }
    }

    @Test func choicesNeedNoListOfTheirOwn() throws {
        let settings = try AlgorithmRegistry.all.algorithm(named: "DomainFusion").settings
        func help(_ name: String) -> String? { settings.first { $0.name == name }?.help }
        #expect(help("distillation.mode")?.hasSuffix(": off, autograd, online, latent-curve or curve") == true)
        #expect(help("ldmDtype")?.hasSuffix(": float32, bfloat16 or float16") == true)
        #expect(help("augmentation.strength")?.hasSuffix("; above 0 and at most 1") == true)
    }

    /// The guide lists the algorithms with their papers.
    @Test func theGuideListsTheRegistry() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let page = try String(
            contentsOf: root.appendingPathComponent("Documentation/Guide.docc/Algorithms.md"), encoding: .utf8)
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| [") }.map(String.init)
        let expected = try AlgorithmRegistry.all.algorithms.map { algorithm in
            let paper = try #require(algorithm.paper, "\(algorithm.name) has no paper")
            #expect(paper.hasPrefix("https://"))
            return "| [\(algorithm.name)](\(paper)) | \(algorithm.abstract) |"
        }
        #expect(rows == expected, "write these into Algorithms.md:\n\(expected.joined(separator: "\n"))")
    }
}
