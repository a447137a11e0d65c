/// Which arithmetic this version computes with.
public enum Arithmetic {
    /// Rises whenever the same settings come to give other bits on purpose: a run's state of another number cannot be gone on with.
    public static let number = 1
}
