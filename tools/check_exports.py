#!/usr/bin/env python3
"""Loads what `curricle export` wrote in timm (strict), transformers and ONNX Runtime, and compares their features with those
that the checkpoints of Tests/Fixtures/checkpoints gave before. Run by hand: it needs these programs.

    python3 -m venv venv && venv/bin/pip install torch timm transformers onnx onnxruntime pillow
    swift build -c release && venv/bin/python tools/check_exports.py [CURRICLE]

Prints the largest difference as a share of the largest magnitude; ends with 1 if one is above 1e-5.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime
import torch
from PIL import Image
from safetensors.torch import load_file
from timm.models.vision_transformer import VisionTransformer
from transformers import ViTMAEForPreTraining, ViTMAEModel

ROOT = pathlib.Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "Tests" / "Fixtures" / "checkpoints"
CURRICLE = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / ".build" / "release" / "curricle")
EXPECTED = json.loads((FIXTURES / "features.json").read_text())
HEADS = 4
worst = 0.0


def export(source, layout, output, *options):
    command = [CURRICLE, "export", "--weights", str(FIXTURES / source), "--layout", layout, "-o", str(output), *options]
    if not source.startswith("hf-mae"):
        command += ["--num-heads", str(HEADS)]
    if source == "mae.pth":
        command += ["--decoder-num-heads", str(HEADS)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def pixels(name="square"):
    image = torch.tensor(numpy.asarray(Image.open(FIXTURES / name / "waves.png"))) / 255.0
    return ((image - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])).permute(2, 0, 1)[None]


def compare(title, source, tokens, mean=None):
    global worst
    tokens = torch.as_tensor(tokens)[0].double()
    found = {"cls": tokens[0], "mean": tokens[1:].mean(0) if mean is None else mean[0].double()}
    errors = {}
    for pool, values in found.items():
        expected = torch.tensor(EXPECTED[source][pool], dtype=torch.float64)
        errors[pool] = ((values - expected).abs().max() / expected.abs().max()).item()
    worst = max(worst, *errors.values())
    print(f"{title:<34} {source:<28} cls {errors['cls']:.1e}  mean {errors['mean']:.1e}")


def unmasked(model, image):
    """ViTMAE shuffles its patches even without a mask; ascending noise keeps their order."""
    model.config.mask_ratio = 0.0
    inner = getattr(model, "vit", model)
    inner.embeddings.config.mask_ratio = 0.0
    count = inner.embeddings.patch_embeddings.num_patches
    return inner(image, noise=torch.arange(float(count))[None]).last_hidden_state


@torch.no_grad()
def main():
    sources = ["timm.safetensors", "timm.pth", "mae.pth", "hf-mae/model.safetensors", "hf-new-names.safetensors"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for source in sources:
            export(source, "timm", folder / "timm.safetensors")
            model = VisionTransformer(img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=HEADS, num_classes=0).eval()
            model.load_state_dict(load_file(folder / "timm.safetensors"), strict=True)
            compare("timm (strict)", source, model.forward_features(pixels()))

        export("pooled.safetensors", "timm", folder / "pooled.safetensors", "--part", "all")
        model = VisionTransformer(
            img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=HEADS, mlp_ratio=2, num_classes=3, global_pool="avg"
        ).eval()
        model.load_state_dict(load_file(folder / "pooled.safetensors"), strict=True)
        tokens = model.forward_features(pixels())
        compare("timm (strict), fc_norm and head", "pooled.safetensors", tokens, model.forward_head(tokens, pre_logits=True))

        for source in sources:
            output = folder / f"hf-{source.split(chr(46))[0]}-{len(source)}"
            export(source, "hf", output, "--part", "encoder")
            model, report = ViTMAEModel.from_pretrained(output, output_loading_info=True)
            problems = [report["missing_keys"], report["unexpected_keys"], report["mismatched_keys"]]
            assert not any(problems), problems
            compare("transformers ViTMAEModel", source, unmasked(model.eval(), pixels()))
        for source in ["mae.pth", "hf-mae/model.safetensors"]:
            output = folder / f"all-{source.split(chr(46))[0]}"
            export(source, "hf", output)
            model, report = ViTMAEForPreTraining.from_pretrained(output, output_loading_info=True)
            problems = [report["missing_keys"], report["unexpected_keys"], report["mismatched_keys"]]
            assert not any(problems), problems
            compare("transformers ViTMAEForPreTraining", source, unmasked(model.eval(), pixels()))
            if source.startswith("hf"):
                predictions = model.decoder(unmasked(model, pixels()), torch.arange(16)[None]).logits
                original = ViTMAEForPreTraining.from_pretrained(FIXTURES / "hf-mae").eval()
                expected = original.decoder(unmasked(original, pixels()), torch.arange(16)[None]).logits
                print(f"{'  its predictions':<63} {((predictions - expected).abs().max() / expected.abs().max()).item():.1e}")

        for source in sources + ["pooled.safetensors", "timm.safetensors 48,40"]:
            file, *size = source.split(" ")
            export(file, "onnx", folder / "encoder.onnx", *(["--image-size", size[0]] if size else []))
            onnx.checker.check_model(str(folder / "encoder.onnx"), full_check=True)
            session = onnxruntime.InferenceSession(str(folder / "encoder.onnx"), providers=["CPUExecutionProvider"])
            image = pixels("oblong" if size else "square").numpy()
            (both,) = session.run(["last_hidden_state"], {"pixel_values": numpy.concatenate([image[..., ::-1], image])})
            tokens = torch.tensor(both[1:])
            mean = None
            if source.startswith("pooled"):
                weights = load_file(FIXTURES / "pooled.safetensors")
                mean = torch.nn.functional.layer_norm(
                    tokens[:, 1:].mean(1), (24,), weights["fc_norm.weight"], weights["fc_norm.bias"], 1e-6
                )
            compare("ONNX Runtime", source, tokens, mean)
    print(f"largest: {worst:.1e}")
    return 0 if worst <= 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
