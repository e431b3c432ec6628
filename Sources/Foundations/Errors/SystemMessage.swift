import Foundation

/// The text of the last system error.
package func systemMessage() -> String { String(cString: strerror(errno)) }
