/// The parts of a model that a checkpoint may have or lack.
package enum ModelPart: String, CaseIterable {
    case encoder, decoder, masker

    package static func of(_ name: String) -> ModelPart {
        name.hasPrefix("masking_net.") ? .masker : name.hasPrefix("decoder_") || name == "mask_token" ? .decoder : .encoder
    }
}
