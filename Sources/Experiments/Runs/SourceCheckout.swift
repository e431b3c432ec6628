import Foundation

/// The git checkout that the running program was built in.
enum SourceCheckout {
    /// Its commit, with `-dirty` where files differ from it; nil for a program that does not lie in the `.build` folder
    /// of a checkout, or without git. It is read when it is asked for: a checkout that moved on after the build shows.
    static func commit(of executable: URL? = Bundle.main.executableURL) -> String? {
        guard let parts = executable?.resolvingSymlinksInPath().pathComponents,
            let build = parts.lastIndex(of: ".build")
        else { return nil }
        let root = "/" + parts[1..<build].joined(separator: "/")
        guard FileManager.default.fileExists(atPath: "\(root)/.git") else { return nil }
        let git = Process()
        git.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        git.arguments = ["git", "-C", root, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        let output = Pipe()
        git.standardOutput = output
        git.standardError = FileHandle.nullDevice
        guard (try? git.run()) != nil else { return nil }
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        git.waitUntilExit()
        return git.terminationStatus == 0 ? text.trimmingCharacters(in: .whitespacesAndNewlines) : nil
    }
}
