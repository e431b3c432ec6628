import Foundation
import Foundations
import Pixels
import TestSupport
import Testing

@testable import Experiments

struct EventWriterTests {
    private func hex(_ data: Data) -> String { data.map { String(format: "%02x", $0) }.joined() }

    @Test func checksumsAsCastagnoli() {
        #expect(EventRecord.crc32c(Array("123456789".utf8)[...]) == 0xe306_9283)
    }

    /// Records computed with TensorBoard's own format.
    @Test func writesGoldenRecords() {
        #expect(
            hex(EventRecord.framed(EventWriter.event(time: 0, step: 0, version: "brain.Event:2")))
                == "1800000000000000a37f4b220900000000000000001a0d627261696e2e4576656e743a32eedf28a3")
        #expect(
            hex(EventRecord.framed(EventWriter.event(time: 1, step: 1, tag: "loss", value: 0.5)))
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

    @Test("Scalars are read back while their file grows, among images and settings; what is cut off or damaged ends it")
    func readsScalarsBack() throws {
        let folder = try TemporaryFolder()
        let time = Date(timeIntervalSince1970: 1_700_000_000.5)
        let writer = try EventWriter(folder: folder.path)
        try writer.add(settings: ["seed": 1, "data": "set", "oracle": false, "held": ["a", "b"]])
        try writer.add("train/loss", 0.65, step: 1, time: time)
        // Larger than a piece that is read at a time.
        var generator = SeededGenerator(seed: 1)
        let noise = RGBImage(width: 700, height: 700, pixels: (0..<1_470_000).map { _ in UInt8(generator.below(256)) })
        try writer.add("synthetic/0", noise, step: 1)
        try writer.add("train/loss", 0.5, step: 2, time: time)
        var file = try #require(EventFile.all(in: folder.path).first)
        func rest() -> [EventScalar] {
            var all: [EventScalar] = []
            while let scalars = file.next() { all += scalars }
            return all
        }
        func loss(_ value: Double, _ step: Int) -> EventScalar {
            EventScalar(tag: "train/loss", value: value, step: step, time: 1_700_000_000.5)
        }
        #expect(rest() == [loss(0.65, 1), loss(0.5, 2)])
        #expect(file.next() == nil)
        try writer.add("train/loss", 0.25, step: 3, time: time)
        #expect(rest() == [loss(0.25, 3)])

        // A process that was killed leaves half of a record.
        let appended = try AppendedFile(file.path)
        let record = EventRecord.framed(EventWriter.event(time: 0, step: 4, tag: "train/loss", value: 1))
        try appended.append(record.prefix(20))
        #expect(file.next() == nil)
        try appended.append(Data(repeating: 7, count: 100))
        #expect(rest() == [])
    }

    @Test("What is no message in protocol buffers' format ends early, whatever its bytes")
    func endsEarlyInGarbage() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<500 {
            let bytes = (0..<generator.below(40)).map { _ in UInt8(generator.below(256)) }
            #expect(Array(ProtobufFields(bytes[...])).count <= bytes.count)
        }
        let endless = [UInt8](repeating: 0xFF, count: 30)
        #expect(Array(ProtobufFields(endless[...])).isEmpty)
        #expect(Array(ProtobufFields([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1][...])).isEmpty)
    }
}
