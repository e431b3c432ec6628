import Torch

extension ONNXGraph {
    /// Adds the nodes of an operator.
    /// - Parameters:
    ///   - kind: the operator's name; that of the one in place without its last `_`.
    /// - Returns: the name of its result.
    /// - Throws: `UserError` for an operator that has no form here.
    mutating func translate(_ kind: String, _ call: ONNXCall) throws -> String {
        switch kind {
        case "domainfusion::conv2d":
            return try convolution(
                call, stride: call.int(3), padding: call.int(4), dilation: 1, groups: call.int(5))
        case "aten::conv2d":
            return try convolution(
                call, stride: call.ints(3)?[0], padding: call.ints(4)?[0], dilation: call.ints(5)?[0] ?? 1,
                groups: call.int(6))
        case "domainfusion::batch_norm": return try batchNorm(call)
        case "domainfusion::linear": return try linear(call)
        case "domainfusion::attention": return try attention(call)
        case "domainfusion::max_pool2d":
            let (kernel, stride, padding) = (call.int(1) ?? 1, call.int(2) ?? 1, call.int(3) ?? 0)
            return node(
                "MaxPool", [try name(call, 0)],
                [
                    "kernel_shape": .ints([kernel, kernel]), "strides": .ints([stride, stride]),
                    "pads": .ints([padding, padding, padding, padding]),
                ])
        case "aten::avg_pool2d":
            return node(
                "AveragePool", [try name(call, 0)],
                ["kernel_shape": .ints(call.ints(1) ?? []), "strides": .ints(call.ints(2) ?? [])])
        case "aten::adaptive_avg_pool2d" where call.ints(1) == [1, 1]:
            return node("GlobalAveragePool", [try name(call, 0)])
        case "aten::layer_norm":
            let length = call.ints(1)?.count ?? 1
            let inputs = [try name(call, 0)] + (try [2, 3].compactMap { try optionalName(call, $0) })
            return node(
                "LayerNormalization", inputs, ["axis": .int(-length), "epsilon": .float(call.number(4) ?? 1e-5)])
        case "aten::pad" where call.string(2) ?? "constant" == "constant":
            // libtorch begins with the last dimension, ONNX has all beginnings first.
            let pads = call.ints(1) ?? []
            let rank = call.tensor(0).0.rank
            var (before, after) = ([Int](repeating: 0, count: rank), [Int](repeating: 0, count: rank))
            for dimension in 0..<pads.count / 2 {
                before[rank - 1 - dimension] = pads[2 * dimension]
                after[rank - 1 - dimension] = pads[2 * dimension + 1]
            }
            return node(
                "Pad", [try name(call, 0), constant(ints: before + after), constant(call.number(3) ?? 0)])
        case "aten::flatten", "aten::reshape", "aten::unsqueeze", "aten::squeeze":
            guard call.resultShape.count(where: { $0 == nil }) <= 1 else { throw Self.unknown(call.name) }
            return node("Reshape", [try name(call, 0), constant(ints: call.resultShape.map { $0 ?? -1 })])
        case "aten::permute": return node("Transpose", [try name(call, 0)], ["perm": .ints(call.ints(1) ?? [])])
        case "aten::transpose":
            let rank = call.tensor(0).0.rank
            var order = Array(0..<rank)
            let places = [call.int(1) ?? 0, call.int(2) ?? 0].map { $0 < 0 ? $0 + rank : $0 }
            order.swapAt(places[0], places[1])
            return node("Transpose", [try name(call, 0)], ["perm": .ints(order)])
        case "aten::cat":
            let inputs = try call.tensors(0).map { try name($0, $1) }
            return node("Concat", inputs, ["axis": .int(call.int(1) ?? 0)])
        case "aten::select":
            let index = constant(ints: [call.int(2) ?? 0], isScalar: true)
            return node("Gather", [try name(call, 0), index], ["axis": .int(call.int(1) ?? 0)])
        case "aten::narrow":
            let (axis, start, length) = (call.int(1) ?? 0, call.int(2) ?? 0, call.int(3) ?? 0)
            return node(
                "Slice",
                [try name(call, 0), constant(ints: [start]), constant(ints: [start + length]), constant(ints: [axis])])
        case "aten::contiguous", "aten::clone", "aten::detach", "aten::to": return try name(call, 0)
        case "aten::add": return try arithmetic("Add", call)
        case "aten::sub": return try arithmetic("Sub", call)
        case "aten::mul": return try arithmetic("Mul", call)
        case "aten::div": return try arithmetic("Div", call)
        case "aten::matmul": return node("MatMul", [try name(call, 0), try name(call, 1)])
        case "aten::relu": return node("Relu", [try name(call, 0)])
        case "aten::relu6": return node("Clip", [try name(call, 0), constant(0), constant(6)])
        case "aten::sigmoid": return node("Sigmoid", [try name(call, 0)])
        case "aten::silu":
            let x = try name(call, 0)
            return node("Mul", [x, node("Sigmoid", [x])])
        case "aten::gelu" where call.string(1) ?? "none" == "none":
            let x = try name(call, 0)
            let erf = node("Erf", [node("Mul", [x, constant(0.5.squareRoot())])])
            return node("Mul", [node("Mul", [x, constant(0.5)]), node("Add", [erf, constant(1)])])
        case "aten::softmax": return node("Softmax", [try name(call, 0)], ["axis": .int(call.int(1) ?? -1)])
        case "aten::log_softmax": return node("LogSoftmax", [try name(call, 0)], ["axis": .int(call.int(1) ?? -1)])
        case "aten::mean" where call.ints(1) != nil:
            return node(
                "ReduceMean", [try name(call, 0)],
                ["axes": .ints(call.ints(1) ?? []), "keepdims": .int(call.int(2) ?? 0)])
        default: throw Self.unknown(call.name)
        }
    }

    private mutating func name(_ call: ONNXCall, _ index: Int) throws -> String {
        let (tensor, other) = call.tensor(index)
        return try name(tensor, other)
    }

    private mutating func optionalName(_ call: ONNXCall, _ index: Int) throws -> String? {
        try call.optionalTensor(index).map { try name($0, $1) }
    }

    private mutating func convolution(
        _ call: ONNXCall, stride: Int?, padding: Int?, dilation: Int, groups: Int?
    ) throws -> String {
        let inputs = [try name(call, 0), try name(call, 1)] + (try optionalName(call, 2).map { [$0] } ?? [])
        let (stride, padding) = (stride ?? 1, padding ?? 0)
        return node(
            "Conv", inputs,
            [
                "strides": .ints([stride, stride]), "pads": .ints([padding, padding, padding, padding]),
                "dilations": .ints([dilation, dilation]), "group": .int(groups ?? 1),
            ])
    }

    /// The norm by running statistics, then the residual, then the activation.
    private mutating func batchNorm(_ call: ONNXCall) throws -> String {
        guard call.int(5) == 0 else { throw Self.unknown("\(call.name), in training") }
        var y = node(
            "BatchNormalization", try (0..<5).map { try name(call, $0) }, ["epsilon": .float(call.number(7) ?? 1e-5)])
        if let residual = try optionalName(call, 10) { y = node("Add", [y, residual]) }
        switch (call.number(8) ?? -.infinity, call.number(9) ?? .infinity) {
        case (-.infinity, .infinity): return y
        case (0, .infinity): return node("Relu", [y])
        case (let low, let high): return node("Clip", [y, constant(low), constant(high)])
        }
    }

    private mutating func linear(_ call: ONNXCall) throws -> String {
        let (x, weight) = (try name(call, 0), call.tensor(1).0)
        guard !depends(weight) else { throw Self.unknown(call.name) }
        let bias = try optionalName(call, 2)
        if call.tensor(0).0.rank == 2 {
            return node("Gemm", [x, constant(weight)] + (bias.map { [$0] } ?? []), ["transB": .int(1)])
        }
        let product = node("MatMul", [x, constant(weight.transposed(0, 1).contiguous())])
        return bias.map { node("Add", [product, $0]) } ?? product
    }

    /// softmax(q·kᵀ/√width)·v of [N, heads, tokens, width].
    private mutating func attention(_ call: ONNXCall) throws -> String {
        let queries = call.tensor(0).0
        var order = Array(0..<queries.rank)
        order.swapAt(queries.rank - 1, queries.rank - 2)
        let keys = node("Transpose", [try name(call, 1)], ["perm": .ints(order)])
        let scale = constant(1 / Double(queries.size(-1)).squareRoot())
        let scores = node("MatMul", [node("Mul", [try name(call, 0), scale]), keys])
        return node("MatMul", [node("Softmax", [scores], ["axis": .int(-1)]), try name(call, 2)])
    }

    /// a ∘ b of two tensors, or a tensor and a number; `aten::add` and `aten::sub` have a factor of b, which is 1.
    private mutating func arithmetic(_ type: String, _ call: ONNXCall) throws -> String {
        guard call.number(2) ?? 1 == 1 else { throw Self.unknown(call.name) }
        let second = try call.number(1).map { constant($0) } ?? name(call, 1)
        return node(type, [try name(call, 0), second])
    }
}
