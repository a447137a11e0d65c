/// Which arithmetic this version computes with.
package enum Arithmetic {
    /// Rises whenever the same settings come to give other bits on purpose: a run's state of another number cannot be gone on with.
    ///
    /// - 1: everything before the number was recorded.
    /// - 2: pictures are resized as Pillow 13 does; a broken image's substitute depends on its own slot alone.
    /// - 3: norms of gradients are added up from shorter sums, none of which two ranks share.
    /// - 4: GELU and its derivative by one quotient.
    package static let number = 4
}
