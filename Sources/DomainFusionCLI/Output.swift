import Foundations

/// Prints a line on standard output. What names from files hold never reaches the terminal raw, and no name makes two lines of
/// one: in place of `Swift.print` in all commands.
func print(_ line: String) {
    Swift.print(plainText(line))
}

/// Prints text of several lines on standard output, whose names are in their lines already.
func printText(_ text: String) {
    Swift.print(plainText(text, keepsLines: true), terminator: text.hasSuffix("\n") ? "" : "\n")
}
