/// The most of anything that a setting or an option may ask for, steps among them: the product of two such numbers is no
/// overflow, and time and memory end long before.
public let largestCount = 1_000_000_000
