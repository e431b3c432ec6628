import Testing

@testable import Studio

struct WebAddressTests {
    @Test(
        "a run's address says its path, whatever is in it", arguments: ["erm", "sweep/a b", "50%/é?#&\"'<", "a+b/%2e"])
    func roundTrip(_ path: String) {
        let address = WebAddress.run(path)
        #expect(address.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"'<>?#&+".utf8.contains($0) })
        #expect(WebAddress.parts(address)?.joined(separator: "/") == path)
        #expect(WebAddress.parts(WebAddress.run(path, "events"))?.last == "events")
    }

    @Test(
        "addresses that lead elsewhere are none",
        arguments: [
            "/runs/", "/runs", "/runs/../x", "/runs/%2e%2e/x", "/runs/a/%2E%2E", "/runs/a%2Fb", "/runs//a", "/runs/a/",
            "/runs/%00", "/runs/%ff", "/runs/.",
        ])
    func refused(_ address: String) { #expect(WebAddress.parts(address) == nil) }

    @Test("fields of forms are decoded as browsers write them, and may repeat")
    func fields() {
        let fields = FormFields("run=a%2Fb&run=c+d&x&y=1=2&=3&bad=%zz")
        #expect(fields.all("run") == ["a/b", "c d"] && fields["run"] == "a/b")
        #expect(fields["x"] == "" && fields["y"] == "1=2" && fields["bad"] == "%zz" && fields["none"] == nil)
    }

    @Test("an event is one line of data with its number, and ends with an empty line")
    func events() {
        let text = EventText.event(7, ["log": "a\nb\r\n\u{2028}</p>"])
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(
            lines.count == 4 && lines[0] == "id: 7" && lines[1].hasPrefix("data: {\"log\":") && text.hasSuffix("\n\n"))
        #expect(!text.contains("\r") && EventText.comment.hasPrefix(":") && EventText.end == "event: end\ndata:\n\n")
    }

    @Test("a place for a stream is free again when its stream is gone")
    func places() throws {
        let places = StreamPlaces(2)
        var first: StreamPlaces.Place? = try places.take()
        let second = try places.take()
        #expect(throws: (any Error).self) { try places.take() }
        first = nil
        #expect(first == nil)
        first = try places.take()
        withExtendedLifetime((first, second)) {}
    }
}
