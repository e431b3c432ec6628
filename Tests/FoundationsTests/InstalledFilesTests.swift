import Foundation
import TestSupport
import Testing

@testable import Foundations

struct InstalledFilesTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func make(_ path: String) throws -> String {
        let whole = "\(folder.path)/\(path)"
        try AtomicFile.makeFolder(FilePath.folder(of: whole))
        try AtomicFile.write("", to: whole)
        return whole
    }

    private func installed(_ environment: [String: String] = [:], executable: String? = nil) -> InstalledFiles {
        let none = ["HOME": "\(folder.path)/nobody", "XDG_DATA_DIRS": "\(folder.path)/system"]
        return InstalledFiles(
            current: "\(folder.path)/work", environment: none.merging(environment) { $1 }, executable: executable)
    }

    /// Each place counts when those before it have nothing.
    @Test func placesInTheirOrder() throws {
        let name = "data/weights/a.pth"
        let program = try make("checkout/.build/debug/domainfusion")
        let variables = ["XDG_DATA_HOME": "\(folder.path)/user"]
        #expect(installed(variables, executable: program).find(name) == nil)
        for place in ["system/domainfusion", "user/domainfusion", "checkout", "work"] {
            _ = try make("checkout/Models/card")
            let file = try make("\(place)/\(name)")
            #expect(installed(variables, executable: program).find(name) == file, "\(place)")
        }
        // The one that is named is the only one beside the working directory.
        let home = installed(["DOMAINFUSION_HOME": "\(folder.path)/home"], executable: program)
        #expect(home.find(name) == "\(folder.path)/work/\(name)")
        try FileManager.default.removeItem(atPath: "\(folder.path)/work")
        #expect(home.find(name) == nil)
        #expect(try home.find("Models/x") == nil && home.find(name) == nil && make("home/\(name)") == home.find(name))
    }

    /// `PREFIX/bin/domainfusion` is a link; the files are those of the prefix that it leads to.
    @Test func besideAnInstalledProgram() throws {
        let program = try make("prefix/lib/domainfusion/torch/lib/domainfusion")
        let model = try make("prefix/share/domainfusion/Models/emoji-ldm")
        try FileManager.default.createDirectory(atPath: "\(folder.path)/bin", withIntermediateDirectories: true)
        let link = "\(folder.path)/bin/domainfusion"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: program)
        #expect(
            Files.realPath(try #require(installed(executable: link).find("Models/emoji-ldm"))) == Files.realPath(model))
    }

    /// Paths of the user's own are left alone.
    @Test func locatesOnlyItsOwn() throws {
        let model = try make("home/Models/m")
        _ = try make("home/mine/m")
        let home = installed(["DOMAINFUSION_HOME": "\(folder.path)/home"])
        #expect(home.locate("Models/m") == model)
        #expect(home.locate("Models/other") == "Models/other")
        #expect(home.locate("mine/m") == "mine/m")
        #expect(home.locate("/Models/m") == "/Models/m")
    }
}
