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
        #expect(result.output == "./set: 24 images, 2 classes, domains a, b, c\n")
    }
}
