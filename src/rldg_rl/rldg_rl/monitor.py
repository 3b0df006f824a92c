# SPDX-License-Identifier: Apache-2.0
"""The live terminal view: where a run stands, on one small panel that is redrawn in place."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from rldg_core.commands.visible import visible
from rldg_core.files.checked_file import read_json
from rldg_core.run_paths import RunPaths

BARS = "▁▂▃▄▅▆▇█"


@dataclass
class MonitorState:
    """Everything that the view shows."""

    name: str
    task: str = ""
    phase: str = "starting"
    demos: int = 0
    demos_wanted: int = 0
    steps: int = 0
    steps_wanted: int = 0
    episodes: int = 0
    evaluations: int = 0
    evaluations_wanted: int = 0
    collected: int = 0
    collected_wanted: int = 0
    success_rate: float = 0.0
    cycle_seconds: float = 0.0
    interventions: int = 0
    by_hand: Sequence[float] = ()
    """share of the steps, see rldg_msgs/RunStatus"""
    steps_per_second: float = 0.0
    updates: int = 0
    updates_per_second: float = 0.0
    entropy: float = 0.0
    learner: str = ""
    """what it waits for"""
    wall_seconds: float = 0.0
    seconds_left: float = 0.0
    reset_seconds: float = 0.0
    gate: str = ""
    """why the safety gate stopped, or holds until a person has seen to it"""
    attention: str = ""
    """what a person has to see to before the run goes on"""
    note: str = ""
    """what the run waits for; empty: nothing"""
    view: str = ""
    """where the scene can be watched"""

    @property
    def goals(self) -> list[tuple[str, int, int]]:
        """Name, done and wanted of everything that this run is to reach."""
        every = (
            ("demonstrations", self.demos, self.demos_wanted),
            ("training", self.steps, self.steps_wanted),
            ("evaluation", self.evaluations, self.evaluations_wanted),
            ("collection", self.collected, self.collected_wanted),
        )
        return [goal for goal in every if goal[2]]

    @property
    def doing(self) -> str:
        """What the run waits for, otherwise its phase."""
        return self.note or self.phase


def render(scene: MonitorState) -> RenderableType:
    """The panel."""
    bars = Progress(
        TextColumn("{task.description:<15}", markup=False),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        expand=False,
    )
    for label, done, wanted in scene.goals:
        bars.add_task(label, total=wanted, completed=min(done, wanted), count=f"{done}/{wanted}")
    facts = Table.grid(padding=(0, 3))
    for _ in range(3):
        facts.add_column(no_wrap=True)
    for row in _facts(scene):
        facts.add_row(*(Text.assemble((f"{k} ", "dim"), (v, "bold")) for k, v in row))
    parts: list[RenderableType] = [bars, Text(), facts]
    if scene.learner:
        parts.append(Text(f"learner: {scene.learner}", style="yellow"))
    if scene.view:
        parts.append(Text(f"watch the scene: {scene.view}", style="dim"))
    if scene.note:
        parts.append(Text(scene.note, style="bold yellow"))  # often too long for the title
    if scene.gate:
        parts.append(Text(f"safety gate: {scene.gate}", style="bold red"))
    if scene.attention:
        parts.append(Text(scene.attention, style="bold red"))
    title = Text.assemble((scene.name, "bold"), f"  {scene.task}  ", (scene.doing, "cyan"))
    return Panel(Group(*parts), title=title, title_align="left", width=82)


def _facts(scene: MonitorState) -> list[list[tuple[str, str]]]:
    of_episodes = [
        ("success, last 20", f"{100 * scene.success_rate:.0f} %"),
        ("cycle", f"{scene.cycle_seconds:.1f} s" if scene.cycle_seconds else "-"),
        ("episodes", str(scene.episodes)),
    ]
    of_learning = [
        [
            ("interventions", f"{scene.interventions} steps"),
            ("updates", str(scene.updates)),
            ("updates/s", f"{scene.updates_per_second:.0f}"),
        ],
        [("person's share", spark(scene.by_hand)), ("entropy", f"{scene.entropy:.1f}")],
    ]
    of_resets = [[("reset", f"{scene.reset_seconds:.1f} s")]] if scene.reset_seconds else []
    of_time = [
        ("elapsed", minutes_seconds(scene.wall_seconds)),
        ("at most left", minutes_seconds(scene.seconds_left) if scene.seconds_left else "-"),
        ("steps/s", f"{scene.steps_per_second:.0f}"),
    ]
    return [of_episodes, *(of_learning if scene.steps_wanted else []), *of_resets, of_time]


def line(scene: MonitorState) -> str:
    """The same in one line, for logs and pipes."""
    parts = [f"{label} {done}/{wanted}" for label, done, wanted in scene.goals]
    parts += [
        f"success {100 * scene.success_rate:.0f} %",
        f"cycle {scene.cycle_seconds:.1f} s",
        f"{scene.steps_per_second:.0f} steps/s",
    ]
    if scene.steps_wanted:
        parts.append(f"{scene.updates_per_second:.0f} updates/s")
    if scene.learner:
        parts.append(f"learner: {scene.learner}")
    if scene.reset_seconds:
        parts.append(f"reset {scene.reset_seconds:.1f} s")
    if scene.gate:
        parts.append(f"safety gate: {scene.gate}")
    if scene.attention:
        parts.append(scene.attention)
    return visible(f"[{minutes_seconds(scene.wall_seconds)}] {scene.doing}: {', '.join(parts)}")


def spark(shares: Sequence[float]) -> str:
    """One bar for each share in [0, 1], and the last in per cent; a point is none at all."""
    if not shares:
        return "-"
    bars = "".join(BARS[min(int(s * len(BARS)), len(BARS) - 1)] if s else "·" for s in shares)
    return f"{bars} {100 * shares[-1]:.0f} %"


def minutes_seconds(seconds: float) -> str:
    """Minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def outcome(run: Path) -> RenderableType:
    """The table at the end, from the run's summary.json."""
    summary = read_json(RunPaths(run).summary, dict[str, Any])
    rows = _collected(run, summary) if "tasks" in summary else _judged(summary)
    table = Table(show_header=False, title_justify="left")
    table.title = f"{run.name}: {summary.get('task', 'collection')}"
    for row in (*rows, ("files", str(run))):
        table.add_row(*row)
    return table


def _collected(run: Path, summary: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        *(
            (
                task,
                f"{outcomes['successes']} of {outcomes['episodes']} episodes succeeded, "
                f"cycle {_seconds(outcomes['mean_cycle_seconds'])}",
            )
            for task, outcomes in summary["tasks"].items()
        ),
        *(_rewarded(summary["reward"]) if "reward" in summary else []),
        *_resets(summary),
        ("time", _times(summary)),
        ("next", _next_command(shlex.quote(str(run)), summary)),
    ]


def _next_command(run: str, summary: dict[str, Any]) -> str:
    labelled = summary.get("reward", {}).get("source") == "person"
    return (
        f"./rldg classifier train {run}" if labelled else f"./rldg convert {run} --out data/<name>"
    )


def _judged(summary: dict[str, Any]) -> list[tuple[str, str]]:
    parts = {**summary.get("evaluations", {})}
    parts |= {name: summary[name] for name in ("seen", "unseen") if name in summary}
    return [
        *_evaluated(summary["evaluation"]),
        *((name, f"{_rate(part)}, cycle {_cycle(part)}") for name, part in parts.items()),
        *(_rewarded(summary["reward"]) if "reward" in summary else []),
        *(_trained(summary) if summary.get("demos") or summary.get("steps") else []),
        *_resets(summary),
        ("time", _times(summary)),
    ]


def _resets(summary: dict[str, Any]) -> list[tuple[str, str]]:
    if "resets" not in summary:
        return []
    resets = summary["resets"]
    text = (
        f"{resets['count']}, {resets['mean_seconds']:.1f} s each, {resets['stalled']} times stuck"
    )
    return [("resets", text)]


def _evaluated(evaluation: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [("evaluation", _rate(evaluation)), ("cycle time", _cycle(evaluation))]
    if not evaluation["episodes"]:
        return rows
    rows += _throughput(evaluation)
    force, torque = evaluation["peak_force"], evaluation["peak_torque"]
    rows.append(
        (
            "greatest wrench",
            f"{force['median']:.1f} N, {torque['median']:.2f} Nm; "
            f"95 % of the episodes below {force['p95']:.1f} N, {torque['p95']:.2f} Nm",
        )
    )
    if led_in := evaluation.get("led_in"):
        rows.append(("led in", f"{led_in} by a person up to the hand-over, then by the policy"))
    if failures := evaluation["failures"]:
        rows.append(("failures", ", ".join(f"{count} {name}" for name, count in failures.items())))
    return rows


def _throughput(evaluation: dict[str, Any]) -> list[tuple[str, str]]:
    """What a summary of before they were kept does not have."""
    names = ("successes_per_10_minutes", "resets counted in"), ("peak_force_per_success", "N")
    return [
        (name.replace("_", " "), f"{_estimated(evaluation[name])} {unit}")
        for name, unit in names
        if name in evaluation
    ]


def _estimated(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return "-"
    if estimate["ci95"] is None:
        return f"{estimate['value']:.1f}"
    low, high = estimate["ci95"]
    return f"{estimate['value']:.1f} (95 % interval {low:.1f}-{high:.1f})"


def _rewarded(reward: dict[str, Any]) -> list[tuple[str, str]]:
    text = (
        f"by {reward['source']}; of {reward['episodes']} episodes {reward['wrongly']} wrongly done, "
        f"{reward['missed']} missed, as the twin knows"
    )
    return [("reward", text)]


def _trained(summary: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (
            "demonstrations",
            f"{summary['demos']}, cycle {_seconds(summary['demo_cycle_seconds'])}",
        ),
        (
            "training",
            f"{summary['steps']} steps, {summary['updates']} updates, "
            f"{summary['interventions']} of the steps by a person",
        ),
    ]


def _cycle(outcomes: dict[str, Any]) -> str:
    return _seconds(outcomes["mean_cycle_seconds"])


def _rate(outcomes: dict[str, Any]) -> str:
    low, high = outcomes["ci95"]
    rate = f"{100 * outcomes['success_rate']:.0f} %" if outcomes["episodes"] else "-"
    return (
        f"{outcomes['successes']}/{outcomes['episodes']} succeeded "
        f"({rate}, 95 % interval {100 * low:.0f}-{100 * high:.0f} %)"
    )


def _times(summary: dict[str, Any]) -> str:
    return (
        f"{minutes_seconds(summary['wall_seconds'])} on the wall, "
        f"{minutes_seconds(summary['sim_seconds'])} of robot time"
    )
