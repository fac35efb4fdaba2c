"""The tables of docs/benchmark.md: the usual script beside this project, repeats taken together, and the machine."""

import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import torch
import torchvision

NEVER = math.inf  # seconds until an accuracy that was not reached
COLUMNS = ("network", "data set", "what", "usual script", "… without frozen gradients", "this project")


@dataclass(frozen=True)
class Row:
    """One comparison in one repeat: all three in seconds, or all three val accuracies."""

    network: str
    dataset: str
    what: str
    usual: float
    without_gradients: float | None  # the usual script with no gradients of frozen layers, where some are frozen
    ours: float


def report(times: list[Row], accuracies: list[Row], repeats: int) -> str:
    """A table or, with accuracies, two, and the machine that they are of."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, torchvision {torchvision.__version__}"
    runs, seeds = (f"{repeats} {what}{'s' if repeats > 1 else ''}" for what in ("run", "seed"))
    text = f"{machine()}; {versions}. Medians of {runs}, and of the ratios within each.\n\n"
    text += table((*COLUMNS, "times as fast"), times, medians)
    if accuracies:
        text += f"\nVal accuracy after the last epoch, mean (and range) of {seeds}:\n\n"
        text += table((*COLUMNS, "points more"), accuracies, means)
    return text


def table(header: tuple[str, ...], rows: list[Row], summary: Callable[[list[Row]], tuple[str, ...]]) -> str:
    """In Markdown: a line for each comparison, its repeats taken together."""
    lines = [header, tuple("---" for _ in header)]
    for key in dict.fromkeys((row.network, row.dataset, row.what) for row in rows):
        lines.append((*key, *summary([row for row in rows if (row.network, row.dataset, row.what) == key])))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def medians(repeats: list[Row]) -> tuple[str, ...]:
    """Of seconds. A repeat in which an accuracy was not reached counts as endless, and is told of."""
    ours = [row.ours for row in repeats]
    reached = sum(seconds < NEVER for seconds in ours)
    shown = f"{median(ours):.1f} s" if median(ours) < NEVER else "not reached"
    if reached < len(ours):
        shown += f" ({reached} of {len(ours)} reached it)"
    ratios = [median(usual / our for usual, our in zip(of, ours, strict=True)) for of in baselines(repeats)]
    usual = [f"{median(of):.0f} s" for of in baselines(repeats)]
    shown_ratios = ", ".join(f"{ratio:.1f}" for ratio in ratios) if median(ours) < NEVER else ""
    return usual[0], "".join(usual[1:]), shown, shown_ratios


def means(seeds: list[Row]) -> tuple[str, ...]:
    """Of accuracies, each with its range, and their differences in points."""
    ours = [row.ours for row in seeds]
    more = [100 * (mean(ours) - mean(of)) for of in baselines(seeds)]
    usual, shown = [_mean_and_range(of) for of in baselines(seeds)], _mean_and_range(ours)
    return usual[0], "".join(usual[1:]), shown, ", ".join(f"{points:+.1f}" for points in more)


def baselines(rows: list[Row]) -> list[list[float]]:
    """What the usual script gave, and what it gave without frozen gradients, if that was measured."""
    without = [row.without_gradients for row in rows if row.without_gradients is not None]
    return [[row.usual for row in rows], *([without] if without else [])]


def _mean_and_range(values: list[float]) -> str:
    return f"{mean(values):.4f} ({min(values):.4f} to {max(values):.4f})"


def machine() -> str:
    """The processor and the memory."""
    names = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    memory = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    processor = f"{len(os.sched_getaffinity(0))} cores of {names[0]}" if names else platform.processor()
    extras = [name for name, has in torch.cpu.get_capabilities().items() if "bf16" in name and has]
    return f"{processor} ({', '.join(extras) or 'no bfloat16'}), {memory[0] / 2**20:.0f} GiB" if memory else processor


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines() if Path(path).exists() else []
