extension ConfigReader {
    /// Refuses settings that no network can be built from.
    func check(_ holds: Bool, _ problem: @autoclosure () -> String) throws {
        if !holds { throw ModelError(path: path, problem() + "; fetch the file again") }
    }

    /// - Parameters:
    ///   - channels: of each level; multiples of `groups`.
    ///   - layers: resnets of each level.
    func checkLevels(_ channels: [Int], groups: Int, layers: [Int]) throws {
        try check((1...16).contains(channels.count), "block_out_channels \(channels) is not a list of 1 to 16 levels")
        try check((1...4096).contains(groups), "norm_num_groups is \(groups)")
        try check(
            channels.allSatisfy { (1...65_536).contains($0) && $0 % groups == 0 },
            "block_out_channels \(channels) are not multiples of norm_num_groups, \(groups)")
        try check(layers.allSatisfy { (1...256).contains($0) }, "layers_per_block \(layers) is out of range")
    }
}
