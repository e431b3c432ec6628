import Foundation
import TestSupport
import Testing

@testable import Experiments

struct EventWriterTests {
    private func hex(_ data: Data) -> String { data.map { String(format: "%02x", $0) }.joined() }

    @Test func checksumsAsCastagnoli() {
        #expect(EventWriter.crc32c(Data("123456789".utf8)) == 0xe306_9283)
    }

    /// Records computed with TensorBoard's own format.
    @Test func writesGoldenRecords() {
        #expect(
            hex(EventWriter.record(EventWriter.event(time: 0, step: 0, version: "brain.Event:2")))
                == "1800000000000000a37f4b220900000000000000001a0d627261696e2e4576656e743a32eedf28a3")
        #expect(
            hex(EventWriter.record(EventWriter.event(time: 1, step: 1, tag: "loss", value: 0.5)))
                == "1a00000000000000129bd82d09000000000000f03f10012a0d0a0b0a046c6f7373150000003f27f95db1")
    }

    @Test func writesAFile() throws {
        let folder = try TemporaryFolder()
        let writer = try EventWriter(folder: folder.path, time: Date(timeIntervalSince1970: 12))
        try writer.add("loss", 0.25, step: 300)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        let name = try #require(names.first)
        #expect(name.hasPrefix("events.out.tfevents.0000000012."))
        let data = try #require(FileManager.default.contents(atPath: "\(folder.path)/\(name)"))
        // Two records of 16 bytes of frame each: 24 bytes of version, 27 of scalar (step 300 takes two bytes).
        #expect(data.count == 16 + 24 + 16 + 27)
    }
}
