/// `numpy.sum` of doubles: pairwise in blocks of 128, eight partial sums each, so that a mean has numpy's last bit.
func numpySum(_ values: [Double]) -> Double { numpySum(values[...]) }

private func numpySum(_ values: ArraySlice<Double>) -> Double {
    let count = values.count
    let start = values.startIndex
    if count < 8 { return values.reduce(0, +) }
    guard count <= 128 else {
        var half = count / 2
        half -= half % 8
        return numpySum(values[start..<(start + half)]) + numpySum(values[(start + half)...])
    }
    var parts = Array(values.prefix(8))
    var index = 8
    while index < count - count % 8 {
        for lane in 0..<8 { parts[lane] += values[start + index + lane] }
        index += 8
    }
    let sum = ((parts[0] + parts[1]) + (parts[2] + parts[3])) + ((parts[4] + parts[5]) + (parts[6] + parts[7]))
    return values[(start + index)...].reduce(sum, +)
}

/// `numpy.mean`; not a number for no values.
func numpyMean(_ values: [Double]) -> Double { numpySum(values) / Double(values.count) }

/// `numpy.std`, the population's standard deviation.
func numpyDeviation(_ values: [Double]) -> Double {
    let mean = numpyMean(values)
    return numpyMean(values.map { ($0 - mean) * ($0 - mean) }).squareRoot()
}
