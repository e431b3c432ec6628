import Foundations
import TestSupport
import Testing

@testable import Diffusion

struct FineTuningRecordTests {
    @Test func isReadOfAFolderAndOfAFileInIt() throws {
        let folder = try TemporaryFolder()
        #expect(try FineTuningRecord(model: folder.path("model")) == nil)
        var record = FineTuningRecord(
            model: "sd", data: "PACS", domains: ["photo"], images: 1670, steps: 5000, seconds: 812.5)
        record.before = [FineTuningRecord(model: "", data: "faces", domains: [], images: 3, steps: 1, seconds: 0)]
        try record.write(to: folder.path("model"))
        #expect(try FineTuningRecord(model: folder.path("model")) == record)
        #expect(try FineTuningRecord(model: folder.path("model/lora.safetensors")) == record)
        #expect(record.all.map(\.data) == ["faces", "PACS"])
        #expect(record.hasSeen("photo", of: "PACS") && !record.hasSeen("photo", of: "VLCS"))
        #expect(!record.hasSeen("sketch", of: "PACS"))
        for damage in ["", "{}", try JSONValue(encoding: record).text.replacing("5000", with: "-5000")] {
            try folder.write(damage, to: "model/\(FineTuningRecord.file)")
            let error = #expect(throws: UserError.self) { try FineTuningRecord(model: folder.path("model")) }
            #expect(error?.message.contains("fine_tuning.json: damaged; restore it") == true)
        }
    }
}
