"""The installed package against the command, Pillow, NumPy, and where they are there scikit-learn and torch."""

import pickle
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import curricle

MODEL = dict(
    image_size=16, patch_size=4, embed_dim=16, depth=1, num_heads=2, decoder_embed_dim=16, decoder_depth=1, decoder_num_heads=2,
    batch_size=8, warmup_epochs=1)  # fmt: skip


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Pictures of two kinds, of several formats and sizes."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.RandomState(3)
    for i in range(24):
        kind = "ab"[i % 2]
        (folder / kind).mkdir(exist_ok=True)
        size = (random.randint(12, 60), random.randint(12, 60), 3)
        pixels = random.randint(0, 256, size) // (2 if kind == "a" else 1) + (100 if kind == "a" else 0)
        name, form = (f"{i:02}.png", "PNG") if i % 3 else (f"{i:02}.jpg", "JPEG")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / kind / name, form)
    return folder


@pytest.fixture(scope="session")
def run(photos, tmp_path_factory):
    steps = []
    made = curricle.pretrain(str(photos), str(tmp_path_factory.mktemp("runs") / "run"), epochs=2, progress=steps.append, **MODEL)
    assert [s["step"] for s in steps] == [line["step"] for line in made.log if "lr" in line]
    return made


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    import os

    os.environ["CURRICLE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


def paths(folder):
    return sorted(str(p) for p in folder.rglob("*.*"))


def extracted(run, photos, tmp_path, *words):
    curricle.run_command("extract", "--weights", str(run.model), "--data", str(photos), "--output", str(tmp_path / "f.npy"), *words)
    return np.load(tmp_path / "f.npy")


@pytest.mark.parametrize("pool", ["cls", "mean", "cls+mean"])
def test_paths_have_the_commands_bits(run, photos, tmp_path, pool):
    wanted = extracted(run, photos, tmp_path, "--pool", pool)
    found = curricle.Encoder(run.model, pool=pool).features(paths(photos))
    assert found.dtype == np.float32 and found.tobytes() == wanted.tobytes()


def test_every_kind_of_image_is_the_same_image(run, photos):
    encoder = curricle.Encoder(run.model, threads=2)
    names = [p for p in paths(photos) if p.endswith("png")]
    wanted = encoder.features(names)
    pictures = [Image.open(p) for p in names]
    arrays = [np.asarray(p) for p in pictures]
    assert encoder.features(pictures).tobytes() == wanted.tobytes()
    assert encoder.features(arrays).tobytes() == wanted.tobytes()
    assert encoder.features(arrays[0]).tobytes() == wanted[:1].tobytes()
    same = np.stack([np.full((20, 30, 3), i, np.uint8) for i in range(5)])
    assert encoder.features(same).tobytes() == encoder.features(list(same)).tobytes()
    assert encoder.features([]).shape == (0, encoder.width)


class LikeTorch:
    """What the encoder uses of a tensor; like torch's it has a method named ``mode``."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def mode(self):
        raise AssertionError

    def detach(self):
        return self

    cpu = detach

    def numpy(self):
        return self.array

    def __iter__(self):
        return map(LikeTorch, self.array)


def test_tensors_have_their_channels_first(run, photos):
    encoder = curricle.Encoder(run.model, threads=2)
    names = [p for p in paths(photos) if p.endswith("png")]
    arrays = [np.asarray(Image.open(p)) for p in names]
    wanted = encoder.features(names)
    assert encoder.features([LikeTorch(np.moveaxis(a, -1, 0)) for a in arrays]).tobytes() == wanted.tobytes()
    same = np.stack([np.full((3, 20, 30), i, np.uint8) for i in range(5)])
    assert encoder.features(LikeTorch(same)).tobytes() == encoder.features(np.moveaxis(same, 1, -1)).tobytes()
    assert encoder.features(LikeTorch(same[2])).tobytes() == encoder.features(np.moveaxis(same, 1, -1))[2:3].tobytes()
    torch = pytest.importorskip("torch")
    assert encoder.features([torch.from_numpy(a.copy()).permute(2, 0, 1) for a in arrays]).tobytes() == wanted.tobytes()


def test_what_is_no_image_is_named(run, tmp_path):
    encoder = curricle.Encoder(run.model)
    for bad, word in [
        (np.zeros((4, 4, 3)), "uint8"), (np.zeros((4, 4, 5), np.uint8), "channels"), (np.zeros((0, 4, 3), np.uint8), "shape"),
        (str(tmp_path / "none.png"), "none.png"),
    ]:  # fmt: skip
        with pytest.raises(curricle.CurricleError, match=word):
            encoder.features([bad])
    with pytest.raises(curricle.CurricleError, match="nowhere"):
        curricle.Encoder(tmp_path / "nowhere.safetensors")
    (tmp_path / "bad.curricle").write_bytes(b"no program" * 100)
    with pytest.raises(curricle.CurricleError):
        curricle.Encoder(tmp_path / "bad.curricle")


def test_compiled_once_and_again_for_other_options(run):
    first = curricle.Encoder(run.model).program
    made = first.stat().st_mtime_ns
    assert curricle.Encoder(run.model).program == first and first.stat().st_mtime_ns == made
    small = curricle.Encoder(run.model, precision="int8")
    assert small.program != first
    assert curricle.Encoder(first).features(np.zeros((1, 16, 16, 3), np.uint8)).shape == (1, 16)


def test_threads_pickles_and_normalised_features(run, photos):
    encoder = curricle.Encoder(run.model, threads=2)
    wanted = encoder.features(paths(photos))
    found = {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: encoder.features(paths(photos)).tobytes()})) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert set(found.values()) == {wanted.tobytes()} and len(found) == 4
    assert pickle.loads(pickle.dumps(encoder)).features(paths(photos)).tobytes() == wanted.tobytes()
    lengths = np.linalg.norm(curricle.Encoder(run.model, normalize=True).features(paths(photos)), axis=1)
    assert np.allclose(lengths, 1, atol=1e-6)


def test_runs(run, photos, tmp_path):
    weights = run.weights()
    assert weights["cls_token"].shape == (1, 1, 16) and all(np.isfinite(w).all() for w in weights.values())
    assert len(run.epochs) == 2 and len(run.pictures) == 2
    assert Image.open(run.pictures[0]).size[0] > 16
    with pytest.raises(curricle.CurricleError, match="holds a run"):
        curricle.pretrain(str(photos), str(run.folder), epochs=2, **MODEL)

    class Enough(Exception):
        pass

    def stop(step):
        raise Enough

    with pytest.raises(Enough):
        curricle.pretrain(str(photos), str(tmp_path / "stopped"), epochs=100000, progress=stop, **MODEL)
    assert list((tmp_path / "stopped").glob("state-*"))
    tuned = curricle.finetune(str(run.model), str(photos), str(tmp_path / "tuned"), epochs=1, batch_size=8, holdout=0.3)
    assert tuned.model.name == "model-best.safetensors"


def test_scikit_learn(run, photos):
    sklearn = pytest.importorskip("sklearn")  # noqa: F841
    from sklearn.base import clone
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    names = paths(photos)
    labels = [Path(p).parent.name for p in names]
    step = curricle.CurricleFeatures(str(run.model), pool="cls+mean")
    assert clone(step).get_params()["pool"] == "cls+mean"
    judge = make_pipeline(step, LogisticRegression(max_iter=1000)).fit(names, labels)
    assert judge.score(names, labels) > 0.9
    assert (judge.predict(names[:3]) == labels[:3]).sum() >= 2


def test_the_notebook_runs(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    notebook = nbformat.read(Path(__file__).parent.parent / "notebooks" / "features.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "".join(str(o.get("text", "")) for c in notebook.cells for o in c.get("outputs", []))
    assert "accuracy by features" in shown


def test_the_command_is_on_the_path():
    done = subprocess.run(["curricle", "--version"], capture_output=True, text=True)
    assert done.stdout.strip() == f"curricle {curricle.__version__}"


def test_sixteen_bits_keep_their_high_byte(run, tmp_path):
    values = (np.arange(20 * 24, dtype=np.uint32) * 131 % 65536).astype(np.uint16).reshape(20, 24)
    data = tmp_path / "deep"
    data.mkdir()
    Image.fromarray(values).save(data / "a.png")
    assert curricle.Encoder(run.model).features([data / "a.png"]).tobytes() == extracted(run, data, tmp_path, "--pool", "mean").tobytes()
