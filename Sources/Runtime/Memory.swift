#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A zeroed, page-aligned block of memory of fixed size, given back when the last reference goes.
public final class Memory {
    public let bytes: Int
    let base: UnsafeMutableRawPointer

    /// - Throws: `RuntimeError.outOfMemory` where the system refuses.
    public init(bytes: Int, purpose: String) throws(RuntimeError) {
        self.bytes = max(bytes, 64)
        guard let base = mmap(nil, self.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), base != MAP_FAILED else {
            throw .outOfMemory(bytes: bytes, purpose: purpose)
        }
        self.base = base
        #if os(Linux)
        if bytes >= 1 << 22 { madvise(base, self.bytes, 14 /* MADV_HUGEPAGE */) }
        #endif
    }

    deinit { munmap(base, bytes) }

    /// The block as floats.
    public var floats: UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: base.assumingMemoryBound(to: Float.self), count: bytes / 4)
    }
    /// Writes the block's first floats; what has no room is left out.
    public func fill(_ values: [Float]) { for (i, value) in values.prefix(bytes / 4).enumerated() { floats[i] = value } }

    public var integers: UnsafeMutableBufferPointer<Int32> {
        UnsafeMutableBufferPointer(start: base.assumingMemoryBound(to: Int32.self), count: bytes / 4)
    }
}
