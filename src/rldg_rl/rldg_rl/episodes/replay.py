# SPDX-License-Identifier: Apache-2.0
"""An episode once more: its actions out of a bag, and how far a second execution strays from the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.table import Table

from rldg_core.bags.bag_reader import (
    EpisodeSummary,
    custom_data,
    decode,
    is_complete,
    nearest,
    raw_messages,
    summary_of,
)
from rldg_core.contract import CONTRACT_VERSION, CURRENT_POSE, EPISODE, STEP
from rldg_core.message_values import nanoseconds, pose_of
from rldg_core.poses import Pose
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_rl.acting.actor import Policy
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.step import Belief
from rldg_rl.robot.observation import Observation
from rldg_rl.run_folder import is_episode

NOTHING = np.zeros(0)


class NotExecutable(ValueError):
    """A bag whose actions cannot be sent again; the message names it and says why."""


@dataclass(frozen=True)
class RecordedEpisode:
    """What was done in a recorded episode, and where it led."""

    summary: EpisodeSummary
    actions: np.ndarray
    """(N, 7) float32 as executed, in [-1, 1]"""
    authors: tuple[ExecutedBy, ...]
    """(N,) whose actions they were"""
    path: tuple[Pose, ...]
    """(N + 1,) measured TCP poses in base: before the first action and after every one"""


def read_recorded(bag: Path) -> RecordedEpisode:
    """The episode of a bag, be it closed or cut off.

    Raises:
        NotExecutable: it holds no step of an episode, or actions of another contract.
    """
    version = custom_data(bag).get("contract_version") if is_complete(bag) else CONTRACT_VERSION
    if version != CONTRACT_VERSION:
        raise NotExecutable(
            f"{bag} was recorded under contract version {version}, not {CONTRACT_VERSION}: its "
            "actions mean something else"
        )
    episodes, steps, poses = [], [], {}
    for topic, _, _, cdr in raw_messages(bag):
        if topic == EPISODE.name:
            episodes.append(decode(EPISODE, cdr))
        elif topic == STEP.name:
            steps.append(decode(STEP, cdr))
        elif topic == CURRENT_POSE.name:
            pose = decode(CURRENT_POSE, cdr)
            poses[nanoseconds(pose.header.stamp)] = pose_of(pose.pose)
    if not episodes or not steps or not poses:
        raise NotExecutable(f"{bag} holds no step of an episode: there is nothing to send again")
    if not is_episode(f"{Source.REPLAY}_{episodes[-1].episode_id}"):
        raise NotExecutable(
            f"{bag} calls its episode {episodes[-1].episode_id[:100]!r}, which cannot be the name of a bag"
        )
    stamps = [nanoseconds(step.state_stamp) for step in steps]
    stamps.append(nanoseconds(steps[-1].next_state_stamp))
    return RecordedEpisode(
        summary=summary_of(episodes[-1], steps),
        actions=np.array([step.action for step in steps], np.float32),
        authors=tuple(ExecutedBy(int(step.executed_by)) for step in steps),
        path=tuple(nearest(poses, stamp) for stamp in stamps),
    )


class RecordedActions(Policy):
    """Plays the policy: says what was done then, blind to what is seen now."""

    def __init__(self, recording: RecordedEpisode) -> None:
        self._coming = iter(zip(recording.actions, recording.authors, strict=True))

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        """The next recorded action."""
        action, author = next(self._coming)
        return Belief(action, mean=NOTHING, log_std=NOTHING, version=0, author=author)


@dataclass(frozen=True)
class ReplayComparison:
    """A recorded episode against its replay."""

    episode_id: str
    recorded: str
    """outcome: success, failure or aborted"""
    replayed: str
    """the same of the replay"""
    reason: str
    """why the replay ended, in words"""
    recorded_steps: int
    replayed_steps: int
    start_mm: float
    """distance of the TCP from where it began then [mm]"""
    largest_mm: float
    """largest distance of the TCP from where it was then, step by step [mm]"""
    final_mm: float
    """the same after the last step that both have [mm]"""
    largest_degrees: float
    """largest angle of the TCP to how it was turned then"""
    final_degrees: float

    @property
    def agrees(self) -> bool:
        """Whether the replay ended by itself, and solved the task if and only if the recording did."""
        solved = (self.recorded == EpisodeStatus.SUCCESS) == (
            self.replayed == EpisodeStatus.SUCCESS
        )
        return solved and self.replayed != EpisodeStatus.ABORTED


def compare_replay(
    recording: RecordedEpisode, result: EpisodeResult, path: Sequence[Pose]
) -> ReplayComparison:
    """Set a replay against its recording.

    Args:
        recording: what was repeated.
        result: how the replay ended.
        path: measured TCP poses of the replay in base, from the one before its first action on; never empty.
    """
    both = zip(recording.path, path, strict=False)  # one may have ended earlier
    errors = [now.relative_to(then) for then, now in both]
    millimetres = [1e3 * float(np.linalg.norm(error.position)) for error in errors]
    degrees = [float(np.degrees(np.linalg.norm(error.rotvec))) for error in errors]
    return ReplayComparison(
        episode_id=recording.summary.episode_id,
        recorded=recording.summary.status,
        replayed=str(result.status),
        reason=result.reason,
        recorded_steps=len(recording.actions),
        replayed_steps=result.steps,
        start_mm=millimetres[0],
        largest_mm=max(millimetres),
        final_mm=millimetres[-1],
        largest_degrees=max(degrees),
        final_degrees=degrees[-1],
    )


def comparison_table(comparisons: Sequence[ReplayComparison]) -> Table:
    """The comparisons for people, one line each: how far the TCP was from where it was then."""
    drawn = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("episode", "recorded", "replayed"):
        drawn.add_column(heading)
    for heading in ("steps", "max mm", "max °", "end mm", "end °"):
        drawn.add_column(heading, justify="right")
    for each in comparisons:
        same = each.recorded_steps == each.replayed_steps
        drawn.add_row(
            each.episode_id,
            each.recorded,
            each.replayed,
            str(each.recorded_steps) if same else f"{each.recorded_steps}, {each.replayed_steps}",
            f"{each.largest_mm:.3f}",
            f"{each.largest_degrees:.3f}",
            f"{each.final_mm:.3f}",
            f"{each.final_degrees:.3f}",
            style=None if each.agrees else "bold red",
        )
    return drawn
