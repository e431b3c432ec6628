extension BatchNorm2d {
    /// Normalises by the mean and the variance of the images of all processes, as PyTorch's `SyncBatchNorm`, with the gradient
    /// of one process that has them all.
    /// - Parameter momentum: weight of the batch in the running statistics; nil leaves them as they are.
    func synchronised(
        _ x: Tensor, over group: ProcessGroup, _ activation: Activation, _ residual: Tensor?, momentum: Double?
    ) -> Tensor {
        let channels = x.size(1)
        let own = Double(x.count / channels)
        let mean = x.mean([0, 2, 3], keepDimensions: true)
        let variance = (x - mean).squared().mean([0, 2, 3])
        // In double precision, where a mean that is far from 0 takes no digits of the variance.
        let exact = mean.reshaped(channels).to(dtype: .float64)
        let sums = group.summed(
            own
                * Tensor.concatenated([
                    exact, variance.to(dtype: .float64) + exact.squared(),
                    Tensor.ones([1], dtype: .float64, device: x.device),
                ]))
        let count = sums[(2 * channels)..<(2 * channels + 1)]
        let all = sums[0..<channels] / count
        let spread = sums[channels..<(2 * channels)] / count - all.squared()
        if let momentum {
            noGrad {
                let number = count.item()
                func move(_ statistics: Tensor, _ value: Tensor) {
                    statistics.copy_((1 - momentum) * statistics + momentum * value.to(dtype: statistics.dtype))
                }
                move(runningMean, all.detached())
                move(runningVariance, spread.detached() * (number / max(1, number - 1)))
            }
        }
        func perChannel(_ values: Tensor) -> Tensor { values.to(dtype: x.dtype).reshaped(1, channels, 1, 1) }
        let scale = perChannel(weight) / perChannel((spread + epsilon).sqrt())
        var y = (x - perChannel(all)) * scale + perChannel(bias)
        if let residual { y = y + residual }
        activation.apply(inPlace: y)
        return y
    }
}
