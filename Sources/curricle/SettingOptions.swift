import CurricleEngine
import CurricleModels
import CurricleSettings
import CurricleStorage
import CurricleTerminal
import CurricleVision
import CurricleWeights

extension Array {
    /// As options, whose defaults are what the settings hold.
    func options<Root>(_ defaults: Root) -> [Option] where Element == Setting<Root> { map { $0.option(defaults) } }
}

extension Arguments {
    /// Puts what was given into its places.
    /// - Throws: `UsageError.invalidValue`.
    func apply<Root>(_ settings: [Setting<Root>], to root: inout Root) throws(UsageError) {
        for setting in settings {
            let option = setting.option(root)
            guard let value = try given(option) else { continue }
            guard setting.set(value, in: &root) else { throw refusal(of: option) }
        }
    }

    /// Settings as given, the rest as in `defaults`, and what follows from them.
    /// - Parameter other: settings whose names a command has another option of.
    func settings<Root: DeclaredSettings>(from defaults: Root = Root(), but other: [SettingName] = []) throws(UsageError) -> Root {
        var settings = defaults
        try apply(Root.declared.filter { setting in !other.contains { "\($0)" == setting.name } }, to: &settings)
        settings.settle { isGiven("\($0)") }
        return settings
    }

    /// Settings of a run on so many images: the batch follows from them where it is not given.
    func settings<Root: ScheduledSettings>(from defaults: Root = Root(), images: Int) throws(UsageError) -> Root {
        var defaults = defaults
        let asGiven: Root = try settings(from: defaults)
        if !isGiven("\(SettingName.batchSize)") { defaults.batchSize = Root.batchSize(images: images, accumulation: asGiven.accumulation) }
        return try settings(from: defaults)
    }
}
