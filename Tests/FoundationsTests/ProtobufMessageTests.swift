import Testing

@testable import Foundations

/// The examples of the format's documentation (https://protobuf.dev/programming-guides/encoding).
struct ProtobufMessageTests {
    @Test func writesTheDocumentedBytes() {
        var number = ProtobufMessage()
        number.add(1, 150)
        #expect(number.bytes == [0x08, 0x96, 0x01])
        var text = ProtobufMessage()
        text.add(2, "testing")
        #expect(text.bytes == [0x12, 0x07] + Array("testing".utf8))
        var nested = ProtobufMessage()
        nested.add(3, number)
        #expect(nested.bytes == [0x1A, 0x03, 0x08, 0x96, 0x01])
        var packed = ProtobufMessage()
        packed.add(6, packed: [3, 270, 86942])
        #expect(packed.bytes == [0x32, 0x06, 0x03, 0x8E, 0x02, 0x9E, 0xA7, 0x05])
        var negative = ProtobufMessage()
        negative.add(1, -2)
        #expect(negative.bytes == [0x08, 0xFE] + [UInt8](repeating: 0xFF, count: 8) + [0x01])
        var real = ProtobufMessage()
        real.add(5, Float(1.5))
        #expect(real.bytes == [0x2D, 0x00, 0x00, 0xC0, 0x3F])
    }
}
