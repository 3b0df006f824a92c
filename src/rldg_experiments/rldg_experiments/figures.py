# SPDX-License-Identifier: Apache-2.0
"""The pictures of a report, in the shape of the paper's figures."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from zlib import crc32

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rldg_experiments import paper
from rldg_experiments.cell import SPECIALIST, WHERE
from rldg_experiments.evaluation import Interval
from rldg_experiments.near_goal import actions_near_goal
from rldg_experiments.results import Results, Row, of_most_episodes
from rldg_experiments.stages import HUMAN, RELABELLED, RLDG

matplotlib.use("agg")
from matplotlib import pyplot

matplotlib.rcParams["text.parse_math"] = False  # names may have a $

COLOURS = {HUMAN: "#e08214", RELABELLED: "#5aae61", RLDG: "#2166ac", "": "#999999"}
NAMES = {
    HUMAN: "operator",
    RELABELLED: "operator's states, RL actions",
    RLDG: "RLDG",
    "": "RL specialists",
}
"""of data in legends, of those names that the shipped experiments use: the operator is a script, no person took part"""
OTHER_COLOURS = ("#c51b7d", "#8c510a", "#01665e", "#542788", "#b2182b", "#4d4d4d")
"""of data by other names"""
PAPER_NAMES = {HUMAN: "human", RLDG: "RLDG", "": ""}
"""of the paper's, whose data people gave"""
GROUPS_IN_A_LINE = 4
STYLES = ("-", "--", ":", "-.")
MARKERS = {"OpenVLA": "D", "Octo": "s", SPECIALIST: "*"}


@dataclass(frozen=True)
class Drawing:
    """A picture and what is to be seen on it."""

    name: str
    title: str
    text: str
    png: bytes


def _colour(source: str) -> str:
    """The same for a name of data in every figure."""
    return COLOURS.get(source) or OTHER_COLOURS[crc32(source.encode()) % len(OTHER_COLOURS)]


def _data_name(source: str) -> str:
    """In a legend."""
    return NAMES.get(source, source)


def draw_figure(name: str, results: Results) -> Drawing:
    """One of `experiment.FIGURES`."""
    title, text, artist = ARTISTS[name]
    return Drawing(name, title, text, png(artist(results)))


def png(figure: Figure) -> bytes:
    """A figure as a PNG file; the figure is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=110)
    pyplot.close(figure)
    return buffer.getvalue()


def success_bars(rows: Sequence[Row], families: Iterable[str]) -> Figure:
    """Success rates as bars in groups, as figure 4.

    Args:
        rows: a bar each, with no two for the same policy and source in a group.
        families: of the tasks, in the order of the groups.
    """

    def rate(row: Row) -> Interval:
        success = row.all.success
        return Interval(100 * success.value, 100 * success.low, 100 * success.high)

    figure, panels = _bars(rows, families, rate, with_paper=True)
    for axes in panels:
        axes.set(ylabel="success [%]", ylim=(0, 108), yticks=range(0, 101, 20))
    return figure


def _success(results: Results) -> Figure:
    """As figure 4; where there are several numbers of episodes, of the largest."""
    experiment = results.plan.experiment
    return success_bars(of_most_episodes(results.rows), experiment.tasks)


def _cycle_time(results: Results) -> Figure:
    """As figure 6."""
    experiment = results.plan.experiment
    rows = of_most_episodes(results.rows)
    figure, panels = _bars(
        rows, experiment.tasks, lambda row: row.all.cycle_seconds, with_paper=False
    )
    for axes in panels:
        axes.set(ylabel="time to success [s]", ylim=(0, None))
    return figure


def _bars(
    rows: Sequence[Row],
    families: Iterable[str],
    value: Callable[[Row], Interval | None],
    with_paper: bool,
) -> tuple[Figure, list[Axes]]:
    """A group for every family, seen and unseen; in it a bar for every student and source, and the specialists."""
    groups = [
        (family, where)
        for family in families
        for where in WHERE
        if any((row.family, row.where) == (family, where) for row in rows)
    ]
    lines = [groups[i : i + GROUPS_IN_A_LINE] for i in range(0, len(groups), GROUPS_IN_A_LINE)]
    size = (3 + 2.6 * min(len(groups), GROUPS_IN_A_LINE), 4.2 * len(lines))
    figure, grid = pyplot.subplots(
        len(lines), figsize=size, squeeze=False, sharey=True, layout="constrained"
    )
    panels: list[Axes] = list(grid[:, 0])
    shown: dict[str, Artist | tuple[Artist, ...]] = {}
    for axes, line in zip(panels, lines, strict=True):
        for x, (family, where) in enumerate(line):
            members = [row for row in rows if (row.family, row.where) == (family, where)]
            _draw_group(axes, x, members, value, shown)
            if with_paper:
                _draw_paper(axes, x, family, where, shown)
        axes.set_xticks(range(len(line)), [f"{family}\n{where}" for family, where in line])
        axes.set_xlim(-0.6, len(line) - 0.4)
        axes.grid(axis="y", alpha=0.3)
    handles, names = shown.values(), shown.keys()
    panels[0].legend(handles, names, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return figure, panels


def _draw_group(
    axes: Axes,
    group: int,
    members: list[Row],
    value: Callable[[Row], Interval | None],
    shown: dict[str, Artist | tuple[Artist, ...]],
) -> None:
    """The bars of one family, seen or unseen."""
    ordered = sorted(members, key=lambda row: (row.policy == SPECIALIST, row.policy))
    for index, row in enumerate(ordered):
        x = group + 0.85 * ((index + 0.5) / len(ordered) - 0.5)
        interval = value(row)
        if interval is None:
            few = "1 success" if row.all.successes else "no success"
            axes.annotate(few, (x, 0), ha="center", va="bottom", rotation=90)
            continue
        bar = axes.bar(
            x,
            interval.value,
            0.75 / len(ordered),
            color=_colour(row.source),
            yerr=[[interval.value - interval.low], [interval.high - interval.value]],
            capsize=3,
        )
        shown.setdefault(_data_name(row.source), bar)
        if row.source:
            top = (x, interval.high)
            axes.annotate(
                row.policy, top, (0, 3), textcoords="offset points", ha="center", fontsize=8
            )


def _draw_paper(
    axes: Axes, group: int, family: str, where: str, shown: dict[str, Artist | tuple[Artist, ...]]
) -> None:
    """The paper's success rates beside ours, at the right edge of the group."""
    for number in paper.beside(family, where):
        if number.rate is None:
            continue
        label = f"paper: {number.policy} {PAPER_NAMES[number.source]}".rstrip()
        (mark,) = axes.plot(
            group + 0.46,
            100 * number.rate,
            MARKERS[number.policy],
            mec=COLOURS[number.source],
            mfc="white",
            clip_on=False,
        )
        shown.setdefault(label, mark)


def _scaling(results: Results) -> Figure:
    """Success over the number of episodes, a panel for every family, seen and unseen, as figures 5 and 7."""
    students = [row for row in results.rows if row.source]
    panels = sorted({(row.family, row.where) for row in students})
    styles = dict(zip(results.plan.experiment.policies, cycle(STYLES), strict=False))
    figure, grid = pyplot.subplots(
        1,
        len(panels),
        figsize=(1 + 4 * len(panels), 4),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for axes, (family, where) in zip(grid[0], panels, strict=True):
        here = [row for row in students if (row.family, row.where) == (family, where)]
        for policy, source in dict.fromkeys((row.policy, row.source) for row in here):
            line = [row for row in here if (row.policy, row.source) == (policy, source)]
            _line(axes, line, f"{policy}, {_data_name(source)}", styles[policy])
        tasks = ", ".join(task.split("/")[1] for task in here[0].tasks)
        axes.set(
            title=f"{family} {where}: {tasks}",
            xlabel="successful episodes learned from",
            xscale="log",
        )
        counts = sorted({row.training_episodes for row in here})
        axes.set_xticks(counts, [str(count) for count in counts], minor=False)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    grid[0][0].set(ylabel="success [%]", ylim=(-3, 103))
    grid[0][-1].legend(fontsize=8)
    return figure


def _actions(results: Results) -> Figure:
    """Where actions near the goal point, a panel for every source, as figure 8; families together."""
    found: dict[str, list[np.ndarray]] = {}
    for data in results.plan.data:
        found.setdefault(data.name, []).append(actions_near_goal(data.episodes.artefact))
    figure, (above, below) = pyplot.subplots(
        2, len(found), figsize=(1 + 3.6 * len(found), 6.5), layout="constrained", squeeze=False
    )
    for column, (source, parts) in enumerate(found.items()):
        actions = np.concatenate(parts)
        right = (actions[:, :2] > 0).all(1).mean() if len(actions) else 0.0
        axes = above[column]
        axes.hist2d(
            actions[:, 0], actions[:, 1], 25, [[-1, 1], [-1, 1]], cmap="viridis", density=True
        )
        axes.plot([0, 1, 1, 0, 0], [0, 0, 1, 1, 0], c="white", lw=1, ls=":")
        axes.set(
            title=f"{_data_name(source)}: {100 * right:.0f} % to the goal",
            aspect="equal",
            xlabel="x",
            ylabel="y",
        )
        axes = below[column]
        axes.hist(actions[:, 2], 25, (-1, 1), color=_colour(source), density=True)
        axes.set(xlabel="along the tool, towards the goal", ylabel="density")
    return figure


def _line(axes: Axes, rows: list[Row], label: str, style: str) -> None:
    counts = [row.training_episodes for row in rows]
    rates = [row.all.success for row in rows]
    colour = _colour(rows[0].source)
    axes.plot(
        counts, [100 * rate.value for rate in rates], style, marker="o", c=colour, label=label
    )
    low, high = [100 * rate.low for rate in rates], [100 * rate.high for rate in rates]
    axes.fill_between(counts, low, high, color=colour, alpha=0.15)


ARTISTS: Mapping[str, tuple[str, str, Callable[[Results], Figure]]] = {
    "success": (
        "Success",
        "In the shape of the paper's figure 4. Lines are 95 % intervals; marks beside a group are what the paper "
        "reports for its real arm.",
        _success,
    ),
    "scaling": (
        "Success over the number of episodes",
        "In the shape of the paper's figure 5. Bands are 95 % intervals.",
        _scaling,
    ),
    "actions": (
        "Actions near the goal",
        "In the shape of the paper's figure 8: actions of the data within 4 mm sideways and 10 mm along the tool of "
        "the goal, in full actions, mirrored so that the goal lies in the upper right corner.",
        _actions,
    ),
    "cycle_time": (
        "Cycle time",
        "In the shape of the paper's figure 6: mean duration of the successes, with 95 % intervals.",
        _cycle_time,
    ),
}
