import Foundations

/// Prints text on standard output, as `Swift.print` does; what names from files hold never reaches the terminal raw.
func print(_ text: String, terminator: String = "\n") {
    Swift.print(Terminal.plain(text, keepsLines: true), terminator: terminator)
}
