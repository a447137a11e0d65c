#!/usr/bin/env python3
"""Draw the results of compare.py: images/s of each runtime, scaling over batch and image, and the roofline.

usage: picture.py RESULTS.json PICTURE.png

The newest figures of the newest run's machine. Bars are medians, lines on them the range over the rounds; a percentage
is the share of the calibrated peak. The ending of the picture's name chooses its format (.png, .svg, .pdf).
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, NullLocator, PercentFormatter  # noqa: E402

from report import describe, figure  # noqa: E402
from results import load, newest  # noqa: E402

OURS = "#d1495b"
PEERS = {
    "PyTorch eager": "#c3cdd6",
    "PyTorch SDPA": "#94a6b5",
    "PyTorch compile": "#5f7486",
    "PyTorch": "#94a6b5",
    "ONNX Runtime": "#6b9080",
    "OpenVINO": "#3d5a73",
}
INK, FAINT = "#27313a", "#8b97a1"
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "grid.color": "#e6eaed",
    "xtick.color": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",
}


def three_digits(value: float) -> str:
    """Three significant digits, zeros at the end too."""
    return f"{value:#.3g}".rstrip(".") if value < 100 else f"{value:,.0f}"


def bars(axes, comparison: dict, slots: int) -> None:
    """Images/s of a configuration's runtimes, the number on each bar and the share of peak inside ours."""
    for i, contender in enumerate(comparison["contenders"]):
        value = contender["figures"]["img_s"]
        ours = contender.get("ours")
        axes.bar(i, value["median"], width=0.74, color=OURS if ours else PEERS.get(contender["runtime"], FAINT))
        if value["max"] > value["min"]:
            errors = [[value["median"] - value["min"]], [value["max"] - value["median"]]]
            axes.errorbar(i, value["median"], errors, color=INK, linewidth=1, capsize=2.5)
        axes.annotate(
            three_digits(value["median"]),
            (i, value["max"]),
            (0, 3),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=9,
            fontweight="bold" if ours else "normal",
        )
        share = figure(contender, "peak_share")
        if ours and share is not None:
            axes.annotate(
                f"{share:.0%}\nof\npeak", (i, value["median"] / 2), ha="center", va="center", color="white", fontsize=9, fontweight="bold"
            )
    axes.set_title(comparison["title"])
    axes.set_xticks([])
    axes.set_xlim(-0.6, slots - 0.4)
    axes.set_ylim(0, 1.14 * max(c["figures"]["img_s"]["max"] for c in comparison["contenders"]))
    axes.grid(axis="y")
    axes.tick_params(length=0)
    axes.spines["left"].set_visible(False)


def bar_row(part, comparisons: list[dict], title: str) -> None:
    """A row of panels, each with a scale of its own, under one legend."""
    panels = part.subplots(1, len(comparisons), squeeze=False)[0]
    names: dict[str, str] = {}
    for axes, comparison in zip(panels, comparisons):
        bars(axes, comparison, max(len(c["contenders"]) for c in comparisons))
        for contender in comparison["contenders"]:
            names[contender["runtime"]] = OURS if contender.get("ours") else PEERS.get(contender["runtime"], FAINT)
    panels[0].set_ylabel("images a second")
    part.suptitle(title, x=0.012, ha="left", fontsize=13, fontweight="bold")
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in names.values()]
    part.legend(handles, list(names), loc="outside lower center", ncols=len(names), handlelength=1, handleheight=1)


def logarithmic(axes, values: list[float]) -> None:
    """A logarithmic x axis with a tick at each of `values`."""
    axes.set_xscale("log", base=2)
    axes.set_xticks(values, [f"{v:g}" for v in values])
    axes.xaxis.set_minor_locator(NullLocator())


def batch_panel(axes, comparison: dict) -> None:
    """Share of peak over the batch, images/s beside each point."""
    points = sorted(comparison["contenders"], key=lambda c: c["batch"])
    batches = [c["batch"] for c in points]
    axes.plot(batches, [figure(c, "peak_share") for c in points], "o-", color=OURS, linewidth=2, markersize=6)
    for c in points:
        axes.annotate(
            three_digits(figure(c, "img_s")),
            (c["batch"], figure(c, "peak_share")),
            (0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
        )
    logarithmic(axes, batches)
    axes.set_xlim(min(batches) / 1.6, max(batches) * 1.6)
    axes.set_xlabel("images a batch")
    axes.set_title(f"{points[0]['preset']}: over the batch (images/s)")
    share_axis(axes)


def roofline_row(part, comparisons: list[dict]) -> None:
    """Where each runtime stands below what the machine can give: GFLOP/s over the FLOPs for a byte that comes from memory, by Curricle's count;
    another program's bytes are not known, so all stand in one column."""
    axes = part.subplots(1, 1)
    found = [(c, next((o for o in c["contenders"] if o.get("ours") and figure(o, "beyond_l3_mb")), None)) for c in comparisons]
    found = [(c, ours) for c, ours in found if ours]
    columns = []
    for comparison, ours in found:
        # FLOPs of an image over bytes of an image; what all caches hold has no bytes to speak of.
        intensity = figure(ours, "gflop_s") / figure(ours, "img_s") * ours["batch"] * 1e9 / (figure(ours, "beyond_l3_mb") * 1e6)
        columns.append(intensity)
        for contender in comparison["contenders"]:
            colour = OURS if contender.get("ours") else PEERS.get(contender["runtime"], FAINT)
            axes.plot(intensity, figure(contender, "gflop_s"), "o", color=colour, markersize=7)
        axes.annotate(comparison["title"], (intensity, figure(ours, "gflop_s")), (8, 4), textcoords="offset points", fontsize=8.5)
    peak, stream = (max(figure(ours, key) for _, ours in found) for key in ("peak_gflop_s", "stream_gb_s"))
    span = [min(columns + [peak / stream]) / 4, max(columns) * 4]
    axes.plot([span[0], peak / stream, span[1]], [span[0] * stream, peak, peak], color=INK, linewidth=1.5)
    axes.set(xscale="log", yscale="log", xlim=span, xlabel="FLOPs for a byte from memory", ylabel="GFLOP/s")
    axes.set_title(f"peak {peak:,.0f} GFLOP/s, memory {stream:,.0f} GB/s")
    axes.grid(which="both")
    part.suptitle("Roofline", x=0.012, ha="left", fontsize=13, fontweight="bold")


def share_axis(axes) -> None:
    """A y axis of shares of the peak, from 0 to 1."""
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_ylabel("share of the peak")
    axes.grid(axis="y")
    axes.tick_params(axis="y", length=0)


def image_panels(share, time, comparisons: list[dict]) -> None:
    """Share of peak over the image's side, and the time of an image over its work, for each patch size."""
    sides: set[int] = set()
    works, times = [], []
    for comparison, colour, marker in zip(comparisons, (OURS, "#3d5a73", FAINT), "os^"):
        points = sorted(comparison["contenders"], key=lambda c: c["image"])
        label = f"patch {points[0]['patch']}"
        sides |= {c["image"] for c in points}
        share.plot(
            [c["image"] for c in points],
            [figure(c, "peak_share") for c in points],
            marker + "-",
            color=colour,
            linewidth=2,
            markersize=6,
            label=label,
        )
        work = [figure(c, "gflop_s") / figure(c, "img_s") for c in points]
        milliseconds = [1e3 / figure(c, "img_s") for c in points]
        time.plot(work, milliseconds, marker, color=colour, markersize=7, label=label)
        works, times = works + work, times + milliseconds
    logarithmic(share, sorted(sides))
    share.set_xlabel("side of the image, pixels")
    share.set_title(f"{comparisons[0]['contenders'][0]['preset']}: over the image")
    share_axis(share)
    share.legend(loc="lower right")

    constant = math.exp(sum(math.log(t / w) for t, w in zip(times, works)) / len(works))
    ends = [min(works) / 1.5, max(works) * 1.5]
    time.plot(ends, [constant * w for w in ends], "--", color=FAINT, linewidth=1, zorder=0, label="in proportion")
    time.set_xscale("log")
    time.set_yscale("log")
    for axis in (time.xaxis, time.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,g}"))
    time.set_xlabel("least work of an image, GFLOP")
    time.set_ylabel("ms an image")
    time.set_title("time of an image over its work")
    time.grid()
    time.legend(loc="lower right")


def scaling_row(part, comparisons: list[dict]) -> None:
    """The panels of the scaling section."""
    by_batch = [c for c in comparisons if c["metric"] == "img_s"]
    by_image = [c for c in comparisons if c["metric"] == "gflop_s"]
    panels = list(part.subplots(1, len(by_batch) + 2 * bool(by_image), squeeze=False)[0])
    for comparison in by_batch:
        batch_panel(panels.pop(0), comparison)
    if by_image:
        image_panels(*panels, by_image)
    part.suptitle("Scaling of Curricle's training step", x=0.012, ha="left", fontsize=13, fontweight="bold")


def draw(machine: dict, comparisons: list[dict], path: Path) -> None:
    """Writes the picture of what there is."""
    complete = [c for c in comparisons if c["contenders"]]
    rows = {s: [c for c in complete if c["section"] == s] for s in ("step", "features", "scaling")}
    rows["roofline"] = [c for c in rows["step"] + rows["features"] if any(figure(o, "beyond_l3_mb") for o in c["contenders"])]
    rows = {section: found for section, found in rows.items() if found}
    if not rows:
        raise SystemExit("picture.py: no results of training steps, features or scaling to draw")
    plt.rcParams.update(STYLE)
    heights = {"step": 3.5, "features": 3.5, "scaling": 3.6, "roofline": 4.2}
    whole = plt.figure(figsize=(12.5, sum(heights[s] for s in rows) + 0.5), layout="constrained")
    parts = whole.subfigures(len(rows), 1, height_ratios=[heights[s] for s in rows], squeeze=False, hspace=0.06)[:, 0]
    for part, (section, found) in zip(parts, rows.items()):
        if section == "scaling":
            scaling_row(part, found)
        elif section == "roofline":
            roofline_row(part, found)
        else:
            bar_row(part, found, "Training step: images a second" if section == "step" else "Encoder features: images a second")
    date = max(c["date"][:10] for c in complete)
    whole.supxlabel(f"{describe(machine)}; float32; {date}", fontsize=9, color=FAINT)
    whole.savefig(path, dpi=150, facecolor="white")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    draw(*newest(load(options.results)), options.picture)


if __name__ == "__main__":
    main()
