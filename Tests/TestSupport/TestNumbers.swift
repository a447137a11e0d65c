/// Numbers from a linear congruential generator, in -1 ..< 1: the same on every machine.
package struct TestNumbers {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(state >> 40) / Float(1 << 23) - 1
    }

    package mutating func next(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }

    package mutating func labels(_ count: Int, classes: Int) -> [Int] {
        (0..<count).map { _ in Int((next() + 1) / 2 * Float(classes)) }
    }
}
