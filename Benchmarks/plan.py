"""What is compared with what: the rows of each section."""

from __future__ import annotations

from dataclasses import dataclass

from measure import Comparison, Contender, Machine

SECTIONS = ("step", "features", "isa", "threads", "scaling", "kernels", "loader")
# Sections that time a peer in Python, and the modules it needs.
MODULES = {
    "step": ("torch",),
    "features": ("torch", "onnx", "onnxscript", "onnxruntime", "openvino"),
    "loader": ("torch", "torchvision", "PIL"),
}
BATCHES = {"tiny-p16": 16, "small-p16": 16, "base-p16": 8}
REPEATS = {"tiny-p16": 8, "small-p16": 5, "base-p16": 3}
STEP_PEERS = (("PyTorch eager", "eager"), ("PyTorch SDPA", "sdpa"), ("PyTorch compile", "compile"))
FEATURE_PEERS = (("PyTorch", "pytorch"), ("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino"))
SCALING_BATCHES = (16, 1, 4, 64)
SCALING_IMAGES = (224, 64, 128, 320, 448)
LOADER_FOLDER = ".build/loader-images"


@dataclass(frozen=True)
class Options:
    """What the command line chose."""

    machine: Machine
    threads: int
    quick: bool = False
    presets: tuple[str, ...] = ()
    batch: int | None = None
    data: str = LOADER_FOLDER

    def chosen(self, *presets: str) -> list[str]:
        """Those of `presets` that were asked for; the first alone in a quick run."""
        if self.presets:
            return [p for p in presets if p in self.presets]
        return list(presets[:1] if self.quick else presets)

    def repeats(self, preset: str) -> int:
        return 2 if self.quick else REPEATS[preset]

    def size(self, preset: str) -> int:
        return self.batch or BATCHES[preset]


def ours(kind: str, runtime: str, preset: str, batch: int, threads: int, repeats: int, image: int = 224, patch: int = 16,
         isa: str | None = None) -> Contender:  # fmt: skip
    """Curricle's own benchmark of a training step or of features."""
    command = ["curricle", "bench", kind, "--model", preset, "--batch-size", batch, "--threads", threads]
    if kind == "step":
        command.append("--norm-pix-loss")
    if image != 224:
        command += ["--image-size", image]
    if patch != 16:
        command += ["--patch-size", patch]
    if isa:
        command += ["--isa", isa]
    command += ["--repeats", repeats, "--warmup", 1 if repeats < 5 else 2, "--json"]
    setting = {"kind": kind, "preset": preset, "batch": batch, "image": image, "patch": patch, "threads": threads, "ours": True}
    return Contender(runtime, tuple(map(str, command)), setting)


def peer(script: str, kind: str, runtime: str, preset: str, batch: int, threads: int, repeats: int, *arguments: str) -> Contender:
    """A peer's benchmark of the same."""
    command = ["python", f"Benchmarks/peer/{script}", "--preset", preset, "--batch-size", batch, "--threads", threads, *arguments,
               "--repeats", repeats, "--warmup", 1 if repeats < 5 else 2, "--json"]  # fmt: skip
    setting = {"kind": kind, "preset": preset, "batch": batch, "image": 224, "patch": 16, "threads": threads, "ours": False}
    return Contender(runtime, tuple(map(str, command)), setting)


def step(o: Options) -> list[Comparison]:
    rows = []
    for preset in o.chosen(*BATCHES):
        shape = (preset, o.size(preset), o.threads, o.repeats(preset))
        peers = [peer("step.py", "step", name, *shape, "--mode", mode) for name, mode in STEP_PEERS]
        rows.append(Comparison("step", f"{preset}, batch {shape[1]}", (ours("step", "Curricle", *shape), *peers)))
    return rows


def features(o: Options) -> list[Comparison]:
    rows = []
    for preset in o.chosen("tiny-p16", "base-p16"):
        for batch in [o.batch] if o.batch else [1, 16]:
            repeats = 5 if o.quick or (preset, batch) == ("base-p16", 16) else 20
            shape = (preset, batch, o.threads, repeats)
            peers = [peer("features.py", "infer", name, *shape, "--runtime", runtime) for name, runtime in FEATURE_PEERS]
            rows.append(Comparison("features", f"{preset}, batch {batch}", (ours("infer", "Curricle", *shape), *peers)))
    return rows


def isa(o: Options) -> list[Comparison]:
    if o.machine.isa != "avx512":
        return []
    rows = []
    for preset in o.chosen(*BATCHES):
        shape = (preset, o.size(preset), o.threads, o.repeats(preset))
        pair = tuple(ours("step", f"Curricle {name}", *shape, isa=name) for name in ("avx2", "avx512"))
        rows.append(Comparison("isa", f"{preset}, batch {shape[1]}", pair))
    return rows


def threads(o: Options) -> list[Comparison]:
    counts = [n for n in (2, 4, 8, 16, 32, 64, 128) if n < o.machine.cores] + [o.machine.cores]
    rows = []
    for preset in o.chosen(*BATCHES):
        for count in sorted(set(counts) - {1}):
            batch, repeats = o.size(preset), o.repeats(preset)
            pair = tuple(ours("step", f"Curricle, {n} thread{'s' * (n > 1)}", preset, batch, n, repeats) for n in (count, 1))
            rows.append(Comparison("threads", f"{preset}, batch {batch}, {count} threads", pair))
    return rows


def scaling(o: Options) -> list[Comparison]:
    """Cost over the batch and over the image; the first contender is what the others are related to."""
    preset = (o.presets or ("tiny-p16",))[0]
    batches = (16, 1, 4) if o.quick else SCALING_BATCHES
    by_batch = tuple(ours("step", f"batch {n}", preset, n, o.threads, 2 if o.quick or n > 16 else 5) for n in batches)
    rows = [Comparison("scaling", f"{preset}, batch", by_batch)]
    for patch in (16, 8):
        images = (224, 64, 128) if o.quick else SCALING_IMAGES
        by_image = tuple(
            ours("step", f"{n} px", preset, o.batch or 8, o.threads, 2 if o.quick or n * 16 > 224 * patch else 5, image=n, patch=patch)
            for n in images
        )
        rows.append(Comparison("scaling", f"{preset}, image, patch {patch}", by_image, metric="gflop_s"))
    return rows


def kernels(o: Options) -> list[Comparison]:
    rows = []
    for preset in o.chosen(*BATCHES):
        batch = o.size(preset)
        command = ("curricle", "bench", "kernels", "--model", preset, "--batch-size", str(batch), "--threads", str(o.threads), "--norm-pix-loss",
                   "--repeats", "3" if o.quick else "10", "--json")  # fmt: skip
        setting = {"kind": "kernels", "preset": preset, "batch": batch, "threads": o.threads}
        rows.append(Comparison("kernels", f"{preset}, batch {batch}", (Contender("Curricle", command, setting),), metric="gflop_s"))
    return rows


def loader(o: Options) -> list[Comparison]:
    mine = Contender(
        "Curricle", ("curricle", "bench", "loader", "--data", o.data, "--workers", "1", "--json"), {"kind": "loader", "ours": True}
    )
    pillow = Contender(
        "torchvision, PIL", ("python", "Benchmarks/loader_peer.py", "--data", o.data, "--json"), {"kind": "loader", "ours": False}
    )
    return [Comparison("loader", "JPEG 500 × 375 to a batch of 224 × 224", (mine, pillow), metric="img_s_per_core")]


def plan(section: str, o: Options) -> list[Comparison]:
    """The comparisons of a section."""
    makers = {"step": step, "features": features, "isa": isa, "threads": threads, "scaling": scaling, "kernels": kernels, "loader": loader}
    return makers[section](o)
