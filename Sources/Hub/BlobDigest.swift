import Crypto
import Foundation
import Foundations

/// The digest that the hub knows a file by, worked out as its bytes come.
struct BlobDigest {
    /// SHA-256 of large files (Git LFS), the SHA-1 of a git blob of others; in lower-case hexadecimal digits.
    enum Expected: Sendable, Equatable {
        case sha256Digest(String)
        case gitBlobDigest(String)

        /// Nil for what is no SHA-256.
        init?(sha256 text: String) {
            guard text.wholeMatch(of: /[0-9a-f]{64}/) != nil else { return nil }
            self = .sha256Digest(text)
        }

        /// Nil for what is no SHA-1.
        init?(gitBlob text: String) {
            guard text.wholeMatch(of: /[0-9a-f]{40}/) != nil else { return nil }
            self = .gitBlobDigest(text)
        }

        var text: String {
            switch self {
            case .sha256Digest(let text), .gitBlobDigest(let text): text
            }
        }

        var name: String {
            switch self {
            case .sha256Digest: "SHA-256"
            case .gitBlobDigest: "git SHA-1"
            }
        }
    }

    private enum State {
        case sha256(SHA256)
        case sha1(Insecure.SHA1)
    }

    private var state: State

    /// - Parameter size: of the whole file, which a git blob begins with.
    init(_ expected: Expected, size: Int) {
        switch expected {
        case .sha256Digest: state = .sha256(SHA256())
        case .gitBlobDigest:
            var hash = Insecure.SHA1()
            hash.update(data: Data("blob \(size)\0".utf8))
            state = .sha1(hash)
        }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        switch state {
        case .sha256(var hash):
            hash.update(bufferPointer: bytes)
            state = .sha256(hash)
        case .sha1(var hash):
            hash.update(bufferPointer: bytes)
            state = .sha1(hash)
        }
    }

    /// Of the bytes until now.
    var text: String {
        switch state {
        case .sha256(let hash): return hexadecimal(hash.finalize())
        case .sha1(let hash): return hexadecimal(hash.finalize())
        }
    }
}
