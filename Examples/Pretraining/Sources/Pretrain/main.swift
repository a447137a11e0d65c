// Pretraining with live progress:   Pretrain IMAGES RUN
import Curricle
import Foundation
import CurricleTraining

let arguments = CommandLine.arguments
guard arguments.count == 3 else {
    print("usage: Pretrain IMAGES RUN")
    exit(2)
}
do {
    var model = Recipe.Model.small64
    (model.imageSize, model.patchSize, model.channels) = (28, 7, 1)
    var recipe = Recipe(model, masks: .random)
    recipe.epochs = 2
    (recipe.augments, recipe.normalizesTargets) = (false, false)
    for try await epoch in Pretraining(recipe, on: try Images(arguments[1]), keepingIn: arguments[2]) {
        print("epoch \(epoch.number) of \(epoch.count): loss \(epoch.loss)")
    }
    print("width", try EncoderWeights(arguments[2]).width)
} catch {
    print("error: \(error)")
}
