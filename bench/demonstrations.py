# SPDX-License-Identifier: Apache-2.0
"""How the scripted operator demonstrates: success, time, axes at a time, and what it does near the goal.

    source .rldg/env.sh && python bench/demonstrations.py [--episodes 100] [--tasks connector/vga …]
    source .rldg/env.sh && python bench/demonstrations.py runs/first    # the same of recorded evaluations
    source .rldg/env.sh && python bench/demonstrations.py --versus runs/first --plot docs/images/operator.png

Episodes of the operator are run directly on the twin, without ROS and gate. Near the goal is within 4 mm sideways
and 10 mm in depth of it, as in Figure 8 of the RLDG paper.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("agg")

import numpy as np
from matplotlib import pyplot as plt

from rldg_core import contract
from rldg_core.bags import bag_reader
from rldg_core.message_values import SECOND, nanoseconds, pose_of
from rldg_core.poses import Pose
from rldg_core.task import Task, load_task, task_ids
from rldg_core.twist_action import action_from_twist, twist_from_action
from rldg_robot.person.eye import Sight
from rldg_robot.person.scripted_operator import ScriptedOperator
from rldg_robot.simulation.twin import Twin

ACTIVE = 0.05
"""deflection from which an axis counts as pushed, the dead-band of an intervention"""
NEAR_SIDEWAYS, NEAR_DEPTH = 0.004, 0.010
FULL = 0.9


@dataclass(frozen=True)
class DemonstratedEpisode:
    """One episode."""

    task: str
    success: bool
    seconds: float
    deflections: np.ndarray
    """(n, 6) in base axes"""
    actions: np.ndarray
    """(n, 6) in the TCP frame"""
    offsets: np.ndarray
    """[m] (n, 3) goal in the TCP frame"""
    stopped: bool = False
    """whether the wrench went beyond the gate's limit"""


def demonstrate(
    task: Task, twin: Twin, operator: ScriptedOperator, seed: int
) -> DemonstratedEpisode:
    """An episode led by the operator, on the twin."""
    twin.reset(seed)
    operator.begin("demonstration")
    limit, scale = task.wrench_limit, task.action_scale
    deflections, actions, offsets, stopped = [], [], [], False
    while len(actions) < task.horizon and not twin.success:
        stamp = SECOND + round(len(actions) * task.period * SECOND)
        pose, offset = twin.pose, twin.offset
        deflections.append(operator.deflection(Sight(stamp, pose, offset)))
        actions.append(action_from_twist(deflections[-1], pose.quaternion))
        offsets.append(offset.position)
        move, turn = actions[-1][:3] * scale.translation, actions[-1][3:] * scale.rotation
        twin.step(pose @ Pose.from_rotvec(move, turn), task.period)
        force, torque = np.linalg.norm(twin.wrench.reshape(2, 3), axis=1)
        stopped |= bool(force > limit.force or torque > limit.torque)
    return DemonstratedEpisode(
        task.id,
        twin.success,
        len(actions) * task.period,
        np.array(deflections),
        np.array(actions),
        np.array(offsets),
        stopped,
    )


def recorded(run: Path, source: str) -> list[DemonstratedEpisode]:
    """The episodes of a run's bags that came from `source`."""
    found = []
    for bag in bag_reader.bags_in(run):
        summary = bag_reader.read_summary(bag)
        if summary.source != source or summary.status == "aborted":
            continue
        poses = {
            nanoseconds(m.header.stamp): pose_of(m.pose)
            for m in bag_reader.messages_of(bag, contract.CURRENT_POSE)
        }
        goals = {
            nanoseconds(m.header.stamp): pose_of(m.offset)
            for m in bag_reader.messages_of(bag, contract.TASK_STATE)
        }
        steps = bag_reader.messages_of(bag, contract.STEP)
        stamps = [nanoseconds(step.state_stamp) for step in steps]
        actions = np.array([step.action[:6] for step in steps], float)
        deflections = [
            twist_from_action(action, bag_reader.nearest(poses, stamp).quaternion)
            for action, stamp in zip(actions, stamps, strict=True)
        ]
        offsets = [bag_reader.nearest(goals, stamp).position for stamp in stamps]
        seconds = len(steps) * load_task(summary.task).period
        found.append(
            DemonstratedEpisode(
                summary.task,
                summary.status == "success",
                seconds,
                np.array(deflections),
                actions,
                np.array(offsets),
            )
        )
    return found


def near_goal(episodes: Iterable[DemonstratedEpisode]) -> np.ndarray:
    """(n, 6) actions of successful episodes within reach of the goal."""
    found = [
        e.actions[
            (np.abs(e.offsets[:, :2]).max(axis=1) < NEAR_SIDEWAYS)
            & (np.abs(e.offsets[:, 2]) < NEAR_DEPTH)
        ]
        for e in episodes
        if e.success
    ]
    return np.concatenate(found)


def table(episodes: Sequence[DemonstratedEpisode]) -> str:
    """One line a task, one for all."""
    lines = [
        "| task | success | mean | 5 % | 50 % | 95 % | gate stops |",
        "|---|---|---|---|---|---|---|",
    ]
    names = list(dict.fromkeys(e.task for e in episodes))
    groups = {name: [e for e in episodes if e.task == name] for name in names}
    for name, group in [*groups.items(), *([("all", list(episodes))] if len(groups) > 1 else [])]:
        seconds = [e.seconds for e in group if e.success]
        low, middle, high = np.percentile(seconds, [5, 50, 95])
        rate, stops = np.mean([e.success for e in group]), np.mean([e.stopped for e in group])
        lines.append(
            f"| {name} | {100 * rate:.0f} % of {len(group)} | {np.mean(seconds):.2f} s | {low:.1f} s "
            f"| {middle:.1f} s | {high:.1f} s | {100 * stops:.1f} % |"
        )
    return "\n".join(lines)


def habits(episodes: Sequence[DemonstratedEpisode]) -> str:
    """What the hand does, over all steps of successful episodes and near the goal."""
    deflections = np.concatenate([e.deflections for e in episodes if e.success])
    axes = (np.abs(deflections) > ACTIVE).sum(axis=1)
    shares = [100 * np.mean(axes == n) for n in (0, 1, 2)] + [100 * np.mean(axes > 2)]
    near = near_goal(episodes)
    per_axis = [
        f"| near the goal, {name} | {' '.join(f'{v:5.2f}' for v in values)} |"
        for name, values in (
            ("mean", near.mean(axis=0)),
            ("standard deviation", near.std(axis=0)),
            ("size, mean", np.abs(near).mean(axis=0)),
        )
    ]
    return "\n".join(
        [
            "| | |",
            "|---|---|",
            f"| steps with 0 / 1 / 2 / more axes | {' / '.join(f'{s:.0f} %' for s in shares)} |",
            f"| actions near the goal | {len(near)} |",
            *per_axis,
            f"| near the goal, an axis beyond {FULL} of full | "
            f"{100 * np.mean(np.abs(near).max(axis=1) > FULL):.0f} % |",
            f"| near the goal, sideways within 0.1 of rest | "
            f"{100 * np.mean(np.abs(near[:, :2]).max(axis=1) < 0.1):.0f} % |",
        ]
    )


def draw(groups: dict[str, Sequence[DemonstratedEpisode]], path: Path) -> None:
    """Actions near the goal, and durations, one column a group."""
    figure, axes = plt.subplots(
        2, len(groups), figsize=(4 * len(groups), 7), squeeze=False, layout="constrained"
    )
    for column, (name, episodes) in zip(axes.T, groups.items(), strict=True):
        near = near_goal(episodes)
        column[0].scatter(near[:, 0], near[:, 1], s=4, alpha=0.3, linewidths=0)
        column[0].set(
            title=f"{name}: actions near the goal",
            xlabel="x, of full",
            ylabel="y, of full",
            xlim=(-1.05, 1.05),
            ylim=(-1.05, 1.05),
            aspect="equal",
        )
        seconds = [e.seconds for e in episodes if e.success]
        column[1].hist(seconds, bins=np.arange(0, 10.5, 0.5).tolist())
        column[1].set(title=f"successful episodes, mean {np.mean(seconds):.1f} s", xlabel="s")
    figure.savefig(path, dpi=100)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "run", nargs="?", type=Path, help="bags, instead of the operator on the twin"
    )
    parser.add_argument("--source", default="evaluation", help="episodes of the bags that count")
    parser.add_argument("--episodes", type=int, default=100, help="of each task")
    connectors = [name for name in task_ids() if name.startswith("connector/")]
    parser.add_argument("--tasks", nargs="+", default=connectors)
    parser.add_argument(
        "--versus", nargs="*", type=Path, default=[], help="runs for the plot beside"
    )
    parser.add_argument("--plot", type=Path, help="image to write")
    given = parser.parse_args()
    if given.run:
        episodes = recorded(given.run, given.source)
    else:
        episodes = []
        for task in map(load_task, given.tasks):
            twin, operator = Twin(task), ScriptedOperator(task, seed=0)
            episodes += [
                demonstrate(task, twin, operator, 1000 + seed) for seed in range(given.episodes)
            ]
    print(table(episodes), habits(episodes), sep="\n\n")
    if given.plot:
        groups: dict[str, Sequence[DemonstratedEpisode]] = {"operator": episodes}
        others = [episode for run in given.versus for episode in recorded(run, given.source)]
        draw(groups | ({"specialist": others} if others else {}), given.plot)


if __name__ == "__main__":
    main()
