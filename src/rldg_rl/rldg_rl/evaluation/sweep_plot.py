# SPDX-License-Identifier: Apache-2.0
"""The picture of a sweep: for every axis, success over its value and below it the time that a success takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes

from rldg_core.perturbation import AXES
from rldg_rl.evaluation.sweep_finding import SweepFinding

matplotlib.use("agg")
from matplotlib import pyplot as plt

matplotlib.rcParams["text.parse_math"] = False  # names may have a $

COLUMNS = 4
"""axes side by side"""


def draw_sweep(path: Path, title: str, findings: Sequence[SweepFinding]) -> None:
    """A panel for every axis, a line for every run; bands are 95 % intervals."""
    names = list(dict.fromkeys(finding.axis for finding in findings))
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure = plt.figure(figsize=(1 + 3.4 * columns, 0.6 + 4.2 * rows), layout="constrained")
    figure.suptitle(title)
    for panel, name in zip(
        figure.subfigures(rows, columns, squeeze=False).flat, names, strict=False
    ):
        above, below = panel.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        found = [finding for finding in findings if finding.axis == name]
        for index, run in enumerate(dict.fromkeys(finding.run for finding in found)):
            line = [finding for finding in found if finding.run == run]
            _draw_success(above, line, f"C{index}")
            _draw_cycle(below, line, f"C{index}")
        above.set(title=name, ylabel="success [%]", ylim=(-3, 103))
        unit = AXES[name].unit
        below.set(xlabel=f"{name} [{unit}]" if unit else name, ylabel="cycle [s]")
        below.margins(y=0.2)
        below.set_ylim(bottom=0)
        for axes in (above, below):
            axes.grid(alpha=0.3)
        if name == names[0]:
            # Under all panels: a run that was given by its path has a long name.
            lines, runs = above.get_legend_handles_labels()
            figure.legend(lines, runs, loc="outside lower left", fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_success(axes: Axes, line: list[SweepFinding], colour: str) -> None:
    rates = [100 * finding.figures["success_rate"] for finding in line]
    low, high = zip(*(finding.figures["ci95"] for finding in line), strict=True)
    axes.plot(_shown(line), rates, "-o", c=colour, ms=4, label=line[0].run)
    axes.fill_between(
        _shown(line), [100 * x for x in low], [100 * x for x in high], color=colour, alpha=0.15
    )


def _draw_cycle(axes: Axes, line: list[SweepFinding], colour: str) -> None:
    solved = [finding for finding in line if finding.figures["successes"]]
    times = [finding.figures["mean_cycle_seconds"] for finding in solved]
    axes.plot(_shown(solved), times, "-o", c=colour, ms=4)


def _shown(line: list[SweepFinding]) -> list[float]:
    """Values in the unit that is shown."""
    return [AXES[finding.axis].shown(finding.value) for finding in line]
