import Foundation
import Pixels
import Testing

struct DataCommandTests {
    let program: Program

    init() throws {
        program = try Program()
        try program.makeDataset()
    }

    @Test func checkPrintsATable() throws {
        try FileManager.default.removeItem(atPath: "\(program.folder)/set/c/dog")
        try program.write(Program.png(seed: 1), to: "set/b/cat/same.png")
        let result = try program("data", "check", "set")
        #expect(result.status == 0, "\(result.errors)")
        #expect(
            result.output == """
                     a  b  c  all
                cat  4  5  4   13
                dog  4  4  0    8
                all  8  9  4   21
                domain c has no image of dog
                images of the same content: 1
                  set/a/cat/0.png = set/b/cat/same.png
                every image can be read

                """)
    }

    @Test func sheetShowsEveryDomain() throws {
        let result = try program("data", "sheet", "set", "--output", "sheet.png", "--samples", "3")
        #expect(result.status == 0, "\(result.errors)")
        let sheet = try ImageFile.decode("\(program.folder)/sheet.png")
        #expect(sheet.width > 9 * 40)
        #expect(try program("data", "sheet", "set", "--output", "sheet.txt").status != 0)
    }

    @Test func listFindsDataSets() throws {
        let result = try program("data", "list", ".")
        #expect(result.output.hasPrefix("set: ./set, 24 images, 2 classes, domains a, b, c\nEmojiDG: missing; run: "))
        #expect(result.output.contains("\nPACS: missing; fetch PACS.zip"))
        #expect(result.output.contains("put it at ./PACS"))
        // One that is there and cannot be used says why.
        try program.write("x", to: "VLCS/Caltech101/bird/1.jpg")
        #expect(try program("data", "list", ".").output.contains("\nVLCS: unusable: ./VLCS: a single domain folder"))
    }

    @Test func preparesFromMNISTsFormat() throws {
        let missing = try program("data", "prepare", "rotated-fashion-mnist", "--source", "nowhere")
        #expect(missing.isPlainError)
        #expect(missing.errors.contains("nowhere/train-images-idx3-ubyte.gz: no such file"))
        let unknown = try program("data", "prepare", "rotated-mnits")
        #expect(unknown.isPlainError)
        #expect(unknown.errors.contains("did you mean rotated-mnist"))

        // 12 images and 3 more of one grey each.
        for (part, count) in [("train", 12), ("t10k", 3)] {
            let images = (0..<count).flatMap { [UInt8](repeating: UInt8($0 * 20), count: 28 * 28) }
            let size: [UInt8] = [0, 0, 0, UInt8(count)]
            try program.write(
                [0, 0, 8, 3] + size + [0, 0, 0, 28, 0, 0, 0, 28] + images, to: "idx/\(part)-images-idx3-ubyte")
            try program.write(
                [0, 0, 8, 1] + size + (0..<count).map { UInt8($0 % 10) }, to: "idx/\(part)-labels-idx1-ubyte")
        }
        let made = try program("data", "prepare", "colored-mnist", "--source", "idx", "--output", "out")
        #expect(made.status == 0, "\(made.errors)")
        #expect(made.output.contains("out/ColoredMNIST: 15 images"))
        #expect(try program("data", "check", "out/ColoredMNIST").status == 0)
    }
}
