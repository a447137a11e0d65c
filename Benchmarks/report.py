"""Tables of comparisons, as plain text and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

HEADINGS = {
    "step": "Training step",
    "features": "Encoder features",
    "isa": "AVX2 beside AVX-512",
    "threads": "Threads",
    "scaling": "Scaling over batch and image",
    "kernels": "Matrix products",
    "loader": "Loader",
}
NOTES = {
    "step": "One joint iteration in float32: step A with its update, step B with its update; 224 px, mask ratio 0.75, normalised "
            "targets. *Ratio* is Curricle's images/s over the row's, *memory* its peak memory over the row's, *share of peak* "
            "the GFLOP/s of the least work that the mathematics needs over those of a calibrated register-only FMA loop.",
    "features": "The encoder on whole images without a mask, float32, over all tokens: Curricle returns the class token and the mean "
                "of the patch tokens, the peers all tokens. *Ratio* is Curricle's images/s over the row's.",
    "isa": "The same training step with either instruction set. *Ratio* is AVX2's images/s over the row's.",
    "threads": "The same training step with more threads. *Ratio* is the speed-up over the row's.",
    "scaling": "Curricle's training step over batches and image sizes. *Cost* is the time an image takes relative to batch 16 "
               "(batch), and the time a FLOP takes relative to 224 px (image): 1 is growth by the work alone.",
    "kernels": "Every matrix product of a joint iteration, Curricle and OpenBLAS in turn in one process; the best of each "
               "run, the median of the runs. *Ratio* is Curricle's GFLOP/s over OpenBLAS's.",
    "loader": "Decode, random resized crop (bicubic), flip, normalise. Images a second of one core's time.",
}  # fmt: skip


@dataclass
class Table:
    """Rows of text; `left` columns are aligned to the left. `commands` are those that the last column's numbers mean."""

    section: str
    headings: list[str]
    rows: list[list[str]]
    left: int
    commands: list[str]
    failures: list[str]
    dates: list[str]

    def markdown(self) -> str:
        lines = (
            [f"## {HEADINGS[self.section]}", "", NOTES[self.section], "", f"Measured {' to '.join(self.dates)}.", ""] if self.rows else []
        )
        if self.rows:
            lines += [
                "| " + " | ".join(self.headings) + " |",
                "|" + "|".join(" --- " if i < self.left else " ---: " for i in range(len(self.headings))) + "|",
            ]
            lines += ["| " + " | ".join(row) + " |" for row in self.rows]
            lines += ["", "Commands:", "", "```sh"] + [f"{command}  # {i}" for i, command in enumerate(self.commands, 1)] + ["```"]
        lines += [""] + [f"Failed: {text}" for text in self.failures] if self.failures else []
        return "\n".join(lines)

    def text(self) -> str:
        """Columns padded with spaces."""
        lines = [HEADINGS[self.section]]
        if self.rows:
            widths = [max(map(len, column)) for column in zip(self.headings, *self.rows)]
            for row in [self.headings, *self.rows]:
                lines.append("  ".join(t.ljust(w) if i < self.left else t.rjust(w) for i, (t, w) in enumerate(zip(row, widths))).rstrip())
            lines += [f"{i:3}  {command}" for i, command in enumerate(self.commands, 1)]
        return "\n".join(lines + [f"failed: {text}" for text in self.failures])


def number(value: float | None) -> str:
    """Three significant digits or so."""
    if value is None:
        return ""
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3 if abs(value) >= 0.1 else 4
    return f"{value:,.{digits}f}"


def ranged(value: dict | None, digits: int | None = None) -> str:
    """The median, and the range over the rounds where there is one."""
    if not value:
        return ""
    show = number if digits is None else (lambda v: f"{v:.{digits}f}")
    middle, low, high = (show(value[k]) for k in ("median", "min", "max"))
    return middle if value["min"] == value["max"] else f"{middle} ({low}–{high})"


def figure(contender: dict, name: str) -> float | None:
    """A contender's median."""
    value = contender["figures"].get(name)
    return value["median"] if value else None


def share(contender: dict) -> str:
    """The share of peak; none for a peer's features, whose work is more than what Curricle counts."""
    value = figure(contender, "peak_share")
    return "" if value is None or (contender.get("kind") == "infer" and not contender.get("ours")) else f"{value:.2f}"


def name(contender: dict) -> str:
    """The runtime with the instruction set, where that is not in its name."""
    isa = contender.get("isa")
    return f"{contender['runtime']} ({isa})" if isa and isa not in contender["runtime"] else contender["runtime"]


def columns_of(section: str) -> list[tuple]:
    """Heading and content, from the comparison, its first contender and the row's."""
    title = ("configuration", lambda c, s, x: c["title"])
    runtime = ("runtime", lambda c, s, x: name(x))
    images = ("images/s", lambda c, s, x: ranged(x["figures"].get("img_s")))
    ratio = ("ratio", lambda c, s, x: ranged(x["ratio"], 2))
    of_peak = ("share of peak", lambda c, s, x: share(x))
    memory = ("peak MB", lambda c, s, x: number(figure(x, "rss_mb")).split(".")[0])
    if section == "step":
        first = ("first step, s", lambda c, s, x: number(figure(x, "first_step_s")))
        return [
            title,
            runtime,
            images,
            ratio,
            of_peak,
            memory,
            ("memory", lambda c, s, x: ranged(x["memory_ratio"], 2).split(" ")[0]),
            first,
        ]
    if section == "features":
        return [title, runtime, images, ("ms a batch", lambda c, s, x: number(1e3 * x["batch"] / figure(x, "img_s"))), ratio, of_peak]
    if section in ("isa", "threads"):
        return [title, runtime, images, ratio, of_peak, ("of GFLOP/s", lambda c, s, x: number(figure(x, "peak_gflop_s"))), memory]
    if section == "scaling":
        work = ("GFLOP an image", lambda c, s, x: number(figure(x, "gflop_s") / figure(x, "img_s")))
        cost = ("cost", lambda c, s, x: ranged(x["ratio"], 2) if x is not s else "1")
        return [
            title,
            ("size", lambda c, s, x: x["runtime"]),
            images,
            work,
            ("GFLOP/s", lambda c, s, x: number(figure(x, "gflop_s"))),
            of_peak,
            cost,
            memory,
        ]
    if section == "kernels":
        return [
            ("configuration", lambda c, s, x: f"{s['preset']}, batch {s['batch']}"), ("kernel", lambda c, s, x: s["kernel"]),
            *[(key, lambda c, s, x, key=key: str(s[key])) for key in ("rows", "columns", "depth", "count")],
            ("GFLOP/s", lambda c, s, x: ranged(s["figures"]["gflop_s"])), ("OpenBLAS", lambda c, s, x: ranged(x["figures"]["gflop_s"])),
            ratio, ("share of peak", lambda c, s, x: share(s)),
        ]  # fmt: skip
    return [title, runtime, ("images/s a core", lambda c, s, x: ranged(x["figures"].get("img_s_per_core"))), ratio, images,
            ("cores busy", lambda c, s, x: number(figure(x, "core_share")))]  # fmt: skip


def table(section: str, comparisons: list[dict]) -> Table:
    """The table of one section's comparisons."""
    columns, commands, rows, failures, dates = columns_of(section), [], [], [], []
    for comparison in comparisons:
        failures += [f"{comparison['title']}, {runtime}: {text}" for runtime, text in comparison["failures"].items()]
        contenders = comparison["contenders"]
        if not contenders:
            continue
        dates.append(comparison["date"][:10])
        subject = contenders[0]
        shown = contenders[1:] if section == "kernels" else contenders
        if section == "scaling":
            shown = sorted(contenders, key=lambda x: (x["batch"], x["image"]))
        for contender in shown:
            if contender["command"] not in commands:
                commands.append(contender["command"])
            row = [content(comparison, subject, contender) for _, content in columns]
            rows.append(row + [str(commands.index(contender["command"]) + 1)])
    full = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    headings = [columns[i][0] for i in full] + ["command"]
    left = sum(columns[i][0] in ("configuration", "runtime", "kernel", "size") for i in full)
    rounded = [[row[i] for i in full] + [row[-1]] for row in rows]
    return Table(section, headings, rounded, left, commands, failures, sorted({min(dates), max(dates)}) if dates else [])


def tables(comparisons: list[dict]) -> list[Table]:
    """A table for each section, in the order of the plan."""
    grouped = {section: [c for c in comparisons if c["section"] == section] for section in HEADINGS}
    return [table(section, found) for section, found in grouped.items() if found]


def describe(machine: dict) -> str:
    """A machine in one line."""
    parts = [machine["cpu"], f"{machine['processors']} processors"]
    if machine.get("cores") and machine["cores"] != machine["processors"]:
        parts[1] += f" on {machine['cores']} cores"
    parts.append(machine["isa"])
    if machine.get("memory_gb"):
        parts.append(f"{machine['memory_gb']:.0f} GB")
    return ", ".join(parts)


def markdown(machine: dict, comparisons: list[dict]) -> str:
    """The whole report."""
    versions = sorted({f"{peer} {x['version']}" for c in comparisons for x in c["contenders"] if x.get("version")
                       for peer in [x["runtime"].split(",")[0].removesuffix(" eager").removesuffix(" SDPA").removesuffix(" compile")]})  # fmt: skip
    rounds = sorted({c["rounds"] for c in comparisons})
    lines = ["# Benchmarks", "", f"Machine: {describe(machine)}.", ""]
    if versions:
        lines += [f"Peers: {', '.join(versions)}.", ""]
    lines += [f"The runtimes of a row were run in turn, {' to '.join(map(str, sorted({rounds[0], rounds[-1]})))} rounds; figures are medians over the "
              "rounds with the range in brackets, ratios the medians of each round's ratio.", ""] if rounds else []  # fmt: skip
    return "\n".join(lines) + "\n" + "\n\n".join(t.markdown() for t in tables(comparisons)) + "\n"
