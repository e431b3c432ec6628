extension Prediction {
    /// How many ``numbers`` there are.
    static let numberCount = 5

    /// Everything, for another process.
    var numbers: [Double] { [Double(item), Double(label), Double(predicted), loss, confidence] }

    /// The prediction that another process made.
    init(numbers: [Double]) {
        self.init(
            item: Int(numbers[0]), label: Int(numbers[1]), predicted: Int(numbers[2]), loss: numbers[3],
            confidence: numbers[4])
    }
}
