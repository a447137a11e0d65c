import CurricleTerminal

/// The table of commands: one file each.
enum Commands {
    struct Entry: Sendable {
        let command: Command
        let run: @Sendable (Arguments) throws -> Int32
    }

    static let all = tools + [Entry(command: HelpCommand.command(of: tools.map(\.command)), run: HelpCommand.run)]

    private static let tools = [
        Entry(command: QuickstartCommand.command, run: QuickstartCommand.run),
        Entry(command: PretrainCommand.command, run: PretrainCommand.run),
        Entry(command: PlanCommand.command, run: PlanCommand.run),
        Entry(command: NearestNeighboursCommand.command, run: NearestNeighboursCommand.run),
        Entry(command: ProbeCommand.command, run: ProbeCommand.run),
        Entry(command: FewShotCommand.command, run: FewShotCommand.run),
        Entry(command: FinetuneCommand.command, run: FinetuneCommand.run),
        Entry(command: PredictCommand.command, run: PredictCommand.run),
        Entry(command: ImportCommand.command, run: ImportCommand.run),
        Entry(command: ExportCommand.command, run: ExportCommand.run),
        Entry(command: StatsCommand.command, run: StatsCommand.run),
        Entry(command: ReportCommand.command, run: ReportCommand.run),
        Entry(command: CompareCommand.command, run: CompareCommand.run),
        Entry(command: ReconstructCommand.command, run: ReconstructCommand.run),
        Entry(command: MasksCommand.command, run: MasksCommand.run),
        Entry(command: AttendCommand.command, run: AttendCommand.run),
        Entry(command: NeighboursCommand.command, run: NeighboursCommand.run),
        Entry(command: CompileCommand.command, run: CompileCommand.run),
        Entry(command: InspectCommand.command, run: InspectCommand.run),
        Entry(command: ExtractCommand.command, run: ExtractCommand.run),
        Entry(command: VerifyCommand.command, run: VerifyCommand.run),
        Entry(command: BenchCommand.command, run: BenchCommand.run)
    ]
}
