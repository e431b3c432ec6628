/// At most 80 characters of a name that came from a file, for an error message, without control characters.
package func shortened(_ name: String) -> String {
    let visible = String(name.prefix(80).map { $0.unicodeScalars.contains { $0.value < 0x20 } ? "?" : $0 })
    return name.count > 80 ? visible + "…" : visible
}
