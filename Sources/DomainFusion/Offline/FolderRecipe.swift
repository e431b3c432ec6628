import Foundations

/// The file that says what everything in a folder depends on: written by the first process, compared by all others.
enum FolderRecipe {
    /// - Parameter verb: what was done to the folder: generated, selected.
    /// - Throws: `UserError` for a folder of another recipe, or one whose recipe is damaged.
    static func keep(_ recipe: JSONValue, in folder: String, file: String, verb: String) throws {
        let path = "\(folder)/\(file)"
        guard let data = Files.contents(path) else { return try AtomicFile.write(recipe.text + "\n", to: path) }
        guard let found = JSONValue(json: data) else {
            throw UserError("\(path): damaged; restore it, or take another folder")
        }
        // As it is read again: whole numbers have no point then.
        let own = (JSONValue(json: Array(recipe.text.utf8)) ?? recipe).flattened()
        let others = found.flattened()
        if let name = Set(own.keys).union(others.keys).sorted().first(where: { own[$0] != others[$0] }) {
            throw UserError(
                "\(folder): was \(verb) with another \(name) (\(others[name]?.text ?? "none") there, "
                    + "\(own[name]?.text ?? "none") here); take the same, or another folder")
        }
    }
}
