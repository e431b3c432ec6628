import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing

@testable import Experiments

struct StarterConfigurationTests {
    let folder: TemporaryFolder
    let data: String

    init() throws {
        folder = try TemporaryFolder()
        data = try folder.makeDataset(count: 6)
    }

    /// A machine that takes half a second for a step of 64 pixels.
    private func starter(minutes: Int = 60, testDomains: [String] = []) throws -> StarterConfiguration {
        try StarterConfiguration(folder: data, testDomains: testDomains, minutes: minutes) { settings in
            TrainingCost(loading: 1, step: 0.5...0.5, steps: 12, evaluation: 1, peakBytes: 1e9)
                .scaled(from: 64, to: settings.imageSize)
        }
    }

    @Test("The file says what was chosen, and 'train --config' takes it back as the same settings")
    func fileIsTheSettings() throws {
        // Fewer images of a class, and a class less: neither is held out.
        Files.remove("\(data)/a/cat")
        Files.remove("\(data)/c/dog/0.png")
        let starter = try starter()
        let settings = starter.configuration
        #expect(settings.testDomains == ["c"] && settings.data == Files.realPath(data))
        #expect(settings.imageSize == 64 && settings.steps == 300 && settings.batchSize == 5)
        let text = starter.text(path: "first.yaml")
        let read = try RunConfiguration(preset: .small, dataset: data).changed(
            by: YAML.parse(text, name: "first.yaml"), source: "first.yaml")
        #expect(read == settings)
        #expect(text.contains("# Domains: a (6 images), b (12 images), c (11 images)\n"))
        #expect(text.contains("domainfusion train --config 'first.yaml'"))
    }

    @Test(
        "Images as large as theirs and ten epochs where the time allows it, fewer steps and then pixels where it does not"
    )
    func fitsTheTime() throws {
        // Four images of a, 162 of b: 130 of these are trained on, in batches of four.
        for name in ["cat/0", "cat/1", "cat/2", "cat/3", "dog/0", "dog/1", "dog/2", "dog/3"] {
            Files.remove("\(data)/a/\(name).png")
        }
        try AtomicFile.makeFolder("\(data)/b/elk")
        let grey = RGBImage(width: 140, height: 150, pixels: [UInt8](repeating: 90, count: 63_000))
        for index in 0..<150 { try PNG.write(grey, to: "\(data)/b/elk/\(index).png") }
        func chosen(_ minutes: Int) throws -> [Int] {
            let settings = try starter(minutes: minutes, testDomains: ["c"]).configuration
            return [settings.batchSize, settings.steps, settings.imageSize]
        }
        #expect(try chosen(60) == [4, 400, 128])
        #expect(try chosen(10) == [4, 400, 96])
        #expect(try chosen(3) == [4, 300, 64])
        #expect(try chosen(1) == [4, 300, 64])
    }

    @Test("A run's time lies between all steps as fast as the fastest and all as slow as the slowest")
    func estimates() {
        var settings = RunConfiguration()
        (settings.steps, settings.evaluateEvery) = (300, 100)
        let cost = TrainingCost(loading: 5, step: 0.5...0.75, steps: 10, evaluation: 10, peakBytes: 1e9)
        // Three evaluations, and the selected model's at the end.
        #expect(cost.seconds(of: settings) == 195...270)
        #expect(cost.scaled(from: 64, to: 128).step == 2...3)
        #expect(StarterConfiguration.time(195...270) == "3.2 to 4.5 minutes")
        #expect(StarterConfiguration.time(20...119) == "20 to 119 seconds")
        #expect(StarterConfiguration.memory(cost.memory) == "1.0 to 1.3 GB")
    }

    @Test("Names with line breaks stay in their comments")
    func escapesNames() throws {
        for (old, new) in [("a", "a\ntestDomains: [x]"), ("b", "#b: '"), ("c", "c")] {
            Files.move("\(data)/\(old)", to: "\(data)/\(new)")
        }
        let starter = try starter(testDomains: ["#b: '"])
        let read = try YAML.parse(starter.text(path: "a\nsteps: 1"), name: "")
        #expect(read["testDomains"] == ["#b: '"] && read["steps"] == .int(300))
    }
}
