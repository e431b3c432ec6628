import Foundations

/// Where a web server listens, and what it lets a request take.
public struct WebSettings: Sendable {
    /// The name or address to listen at; by default this machine alone can reach it.
    public var host = "127.0.0.1"
    /// The port, 0…65535; 0 takes any that is free.
    public var port = 8080
    /// What a request must show; nil lets everybody in who can reach the port.
    public var token: AccessToken?
    /// The longest body of a request, in bytes.
    public var bodyLimit = 16 << 20
    /// Seconds that a request may take to arrive and to be answered; a connection on which nothing comes is closed
    /// after twice as many.
    public var timeout = 30.0

    /// Settings with these defaults: `127.0.0.1`, port 8080, no token, 16 MiB, 30 seconds.
    public init() {}

    /// Whether only programs on this machine can reach the server.
    public var isLoopback: Bool {
        host == "localhost" || host == "::1" || host.wholeMatch(of: /127(\.[0-9]{1,3}){3}/) != nil
    }

    /// The most connections that are open at a time; others wait to be accepted.
    static let connectionLimit = 1024
}
