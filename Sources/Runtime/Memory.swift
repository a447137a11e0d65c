import CurricleTensors
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A zeroed, page-aligned block of memory of fixed size, given back when the last reference goes.
package final class Memory {
    package let bytes: Int
    let base: UnsafeMutableRawPointer

    /// - Parameter isSparse: whether parts of it are never touched: those take no memory then, for the system gives it in small pages.
    /// - Throws: `RuntimeError.outOfMemory` where the system refuses.
    package init(bytes: Int, purpose: String, isSparse: Bool = false) throws(RuntimeError) {
        self.bytes = max(bytes, 64)
        guard let base = mmap(nil, self.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), base != MAP_FAILED else {
            throw .outOfMemory(bytes: bytes, purpose: purpose)
        }
        self.base = base
        #if os(Linux)
        if isSparse {
            madvise(base, self.bytes, 15 /* MADV_NOHUGEPAGE */)
        } else if bytes >= 1 << 22 {
            madvise(base, self.bytes, 14 /* MADV_HUGEPAGE */)
        }
        #endif
    }

    /// A block for so many floats.
    package convenience init(floats: Int, purpose: String) throws(RuntimeError) {
        try self.init(bytes: floats * ElementType.float32.bytes, purpose: purpose)
    }

    /// A block for so many integers.
    package convenience init(integers: Int, purpose: String) throws(RuntimeError) {
        try self.init(bytes: integers * ElementType.int32.bytes, purpose: purpose)
    }

    deinit { munmap(base, bytes) }

    /// The block as floats.
    package var floats: UnsafeMutableBufferPointer<Float> {
        UnsafeMutableBufferPointer(start: base.assumingMemoryBound(to: Float.self), count: bytes / ElementType.float32.bytes)
    }

    package var integers: UnsafeMutableBufferPointer<Int32> {
        UnsafeMutableBufferPointer(start: base.assumingMemoryBound(to: Int32.self), count: bytes / ElementType.int32.bytes)
    }

    /// The block as it is.
    package var contents: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: bytes) }

    /// Some of the block's bytes.
    package func bytes(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(start: base, count: bytes)[range])
    }

    /// Bytes that numbers `range` take.
    package func contents(numbers range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: floats[range]))
    }

    /// Gives memory back that is not needed for now, in whole pages: what lies there is zero then.
    package func release(bytes range: Range<Int>) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let first = (range.lowerBound + page - 1) / page * page, end = range.upperBound / page * page
        #if os(Linux)
        if first < end { madvise(base + first, end - first, 4 /* MADV_DONTNEED */) }
        #endif
    }

    /// Writes the block's first floats.
    /// - Precondition: the block has room for them.
    package func fill(_ values: [Float]) { _ = floats.update(fromContentsOf: values) }
}
