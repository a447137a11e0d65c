import CurricleEngine
import Foundation
import CurricleRuntime
import CurricleTerminal

/// How long a run is, its rate, and what it is computed by, as pretraining and fine-tuning say it before the first step.
func runHeader(_ schedule: Schedule, stepsPerEpoch: Int, _ session: Session) -> String {
    "\(count(stepsPerEpoch, "step")) an epoch, \(count(schedule.epochs, "epoch")): \(count(schedule.epochs * stepsPerEpoch, "update")), "
        + String(format: "rate %.3g after %g epochs of warm-up; ", schedule.learningRate, schedule.warmupEpochs)
        + "\(session.isa) on \(count(session.threads, "thread"))"
}
