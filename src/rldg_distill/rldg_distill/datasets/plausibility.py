# SPDX-License-Identifier: Apache-2.0
"""Whether an arm can have done what the numbers of an episode say: one rule, for bags and for datasets that are there.

What is too large is nearly always a unit or a frame. The limits are far beyond what a person does who leads an arm by
hand, and far below a factor of a hundred.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rldg_core.arm_spaces import ARM
from rldg_core.gripper_command import MAX_GRIPPER_WIDTH
from rldg_core.message_values import SECOND
from rldg_core.proprioception import PROPRIOCEPTION
from rldg_distill.datasets.episode import Episode

SPEED = (3.0, 2.0 * np.pi)
"""[m/s], [rad/s] of a TCP; the first is that of Franka's FR3, the second more than its fastest joint has"""
REACH = 3.0
"""[m] from the start of an episode; no arm on a table gets that far"""
STRETCH = 5.0
"""full actions of the task: with 0.015 m and 10 Hz 0.75 m/s"""
SHARE = 0.2
"""of an episode's steps that may be beyond what only a unit or a frame explains in more"""
NEIGHBOURS = 3
"""steps over which sizes of actions are averaged: an arm commanded at 10 Hz stands at one step and goes twice as far at
the next"""
NEVER = 20.0
"""times a limit of twist or wrench that not even one step may be beyond: no number that anybody measured"""
COMMANDED_SPEED = (10.0, 0.05, 0.5)
"""how many times as fast as the poses a twist may be on average, and the noise [m/s], [rad/s] that is granted"""
PRESSED = (500.0, 100.0)
"""[N], [Nm] beyond which an arm on a table has stopped, or broken something"""
WIDTH_SLACK = 0.01
"""[m] by which a gripper's width may be beyond its stroke: how it was calibrated"""
NUMBERS = ("action", "state", "reward", "teacher_mean", "teacher_log_std")
"""of an episode"""


def implausible(episode: Episode, period: float) -> Iterator[str]:
    """Everything about an episode that cannot be, with the likely cause; nothing where it is plausible.

    Of another body than an arm, only what is no number is known to be impossible.

    Args:
        episode: of one step or more.
        period: [ns] of a control step.
    """
    broken = list(_not_finite(episode))
    yield from broken
    if not broken and episode.spaces == ARM:
        yield from _jumps(episode, period)
        yield from _far_actions(episode)
        yield from _commanded_speeds(episode, period)
        yield from _pressed(episode)
        yield from _widths(episode)


def _not_finite(episode: Episode) -> Iterator[str]:
    named = {"action": episode.spaces.action.names, "state": episode.spaces.state.names}
    for name in NUMBERS:
        dimensions = named.get(name)
        values = getattr(episode, name).reshape(len(episode), -1)
        steps, columns = np.nonzero(~np.isfinite(values))
        if len(steps):
            which = sorted({dimensions[column] for column in columns}) if dimensions else []
            listed = f" ({', '.join(which)})" if which else ""
            yield f"step {steps[0]}: {name} is not finite{listed}"


def _jumps(episode: Episode, period: float) -> Iterator[str]:
    """What the arm itself did."""
    state = episode.state.astype(np.float64)
    far = np.linalg.norm(state[:, :3], axis=1)
    if far.max() > REACH:
        yield (
            f"step {far.argmax()}: the arm is {far.max():.3g} m from where it began, more than {REACH:.0f} m: "
            "positions in millimetres or centimetres?"
        )
    seconds = np.maximum(np.diff(episode.state_stamp), period) / SECOND
    state = state[: len(episode.state_stamp)]
    went = np.linalg.norm(np.diff(state[:, :3], axis=0), axis=1) / seconds
    turned = _angles(state[:, 3:6]) / seconds
    for speed, limit, unit, cause in (
        (went, SPEED[0], "m/s", "positions in millimetres, or poses of two sources on one topic?"),
        (turned, SPEED[1], "rad/s", "poses of two sources on one topic?"),
    ):
        if (speed > limit).any():
            step = int((speed > limit).argmax())
            yield (
                f"step {step}: the arm moves at {speed[step]:.3g} {unit}, more than {limit:.3g} {unit}: {cause}"
            )


def _angles(rotvecs: np.ndarray) -> np.ndarray:
    """(T-1,) [rad] between rotations that follow each other, also where a rotation vector flips at half a turn."""
    angle = np.linalg.norm(rotvecs, axis=1, keepdims=True)
    axis = rotvecs / np.maximum(angle, 1e-12)
    quaternion = np.hstack([np.sin(angle / 2) * axis, np.cos(angle / 2)])
    alike = np.abs((quaternion[1:] * quaternion[:-1]).sum(1))
    return 2.0 * np.asarray(np.arccos(np.minimum(alike, 1.0)))


def _far_actions(episode: Episode) -> Iterator[str]:
    """What the arm was asked for."""
    metadata = episode.metadata
    for columns, scale, farthest, unit, cause in (
        (
            slice(0, 3),
            metadata.scale[0],
            REACH,
            "m",
            "millimetres, or a target in another frame",
        ),
        (
            slice(3, 6),
            metadata.scale[3],
            2.0 * np.pi,
            "rad",
            "a target in another frame, or quaternions in the order w x y z",
        ),
    ):
        size = np.linalg.norm(episode.action[:, columns].astype(np.float64), axis=1)
        beyond = int((np.minimum(size, _smooth(size)) > STRETCH * scale).sum())
        if scale > 0.0 and beyond > SHARE * len(size):
            yield (
                f"{beyond} of {len(size)} actions are beyond {STRETCH:.0f} times the task's {scale:.3g} {unit} a "
                f"step, the largest {size.max():.3g} {unit}: {_likely(episode, cause)}"
            )
        elif size.max() > farthest:
            yield (
                f"step {size.argmax()}: the action is {size.max():.3g} {unit}, more than {farthest:.3g} {unit}: "
                f"{_likely(episode, cause)}"
            )


def _smooth(sizes: np.ndarray) -> np.ndarray:
    """(T,) mean of every size and those beside it."""
    wide = np.pad(sizes, NEIGHBOURS // 2, mode="edge")
    return np.convolve(wide, np.full(NEIGHBOURS, 1.0 / NEIGHBOURS), "valid")


def _likely(episode: Episode, cause: str) -> str:
    """Why an action is too large, and what to take in its place: nothing where it is what was done."""
    done = np.diff(episode.state[:, :3].astype(np.float64), axis=0)
    asked = np.linalg.norm(episode.action[:-1, :3].astype(np.float64), axis=1)
    if np.allclose(asked, np.linalg.norm(done, axis=1), rtol=1e-3, atol=1e-4):
        return "positions in centimetres, poses of two sources, or a hand that no policy of the task can follow?"
    return f"{cause}, or one that takes many steps to reach? --recorded action=motion takes what was done"


def _commanded_speeds(episode: Episode, period: float) -> Iterator[str]:
    """The twist against what the poses say; a unit shows in it even while an arm goes slowly."""
    if len(episode) < 2:
        return
    state = episode.state.astype(np.float64)
    seconds = float(max(episode.state_stamp[-1] - episode.state_stamp[0], period)) / SECOND
    way = np.linalg.norm(np.diff(state[:, :3], axis=0), axis=1).sum() / seconds
    turn = _angles(state[:, 3:6]).sum() / seconds
    factor, *noise = COMMANDED_SPEED
    for columns, measured, granted, fastest, unit, cause in (
        (slice(6, 9), way, noise[0], SPEED[0], "m/s", "millimetres per second"),
        (slice(9, 12), turn, noise[1], SPEED[1], "rad/s", "degrees per second"),
    ):
        size = np.linalg.norm(state[:, columns], axis=1)
        commanded = size.mean()
        if commanded > factor * measured + granted:
            yield (
                f"the twist is {commanded:.3g} {unit} on average, and the poses move at {measured:.3g} {unit}: {cause}?"
            )
        elif size.max() > NEVER * fastest:
            yield f"step {size.argmax()}: the twist is {size.max():.3g} {unit}: was it measured at all?"


def _pressed(episode: Episode) -> Iterator[str]:
    state = episode.state.astype(np.float64)
    for columns, limit, unit, cause in (
        (slice(12, 15), PRESSED[0], "N", "millinewtons"),
        (slice(15, 18), PRESSED[1], "Nm", "millinewton metres"),
    ):
        size = np.linalg.norm(state[:, columns], axis=1)
        beyond = int((size > limit).sum())
        if beyond > SHARE * len(size):
            yield (
                f"the external wrench is beyond {limit:.0f} {unit} at {beyond} of {len(size)} steps, the largest "
                f"{size.max():.3g} {unit}: {cause}, or raw counts of a sensor?"
            )
        elif size.max() > NEVER * limit:
            yield (
                f"step {size.argmax()}: the external wrench is {size.max():.3g} {unit}: was it measured at all?"
            )


def _widths(episode: Episode) -> Iterator[str]:
    width = episode.state[:, PROPRIOCEPTION.index("gripper_width [m]")].astype(np.float64)
    beyond = np.abs(width - MAX_GRIPPER_WIDTH / 2) > MAX_GRIPPER_WIDTH / 2 + WIDTH_SLACK
    if beyond.any():
        step = int(beyond.argmax())
        yield (
            f"step {step}: the gripper is {width[step]:.3g} m wide, and its stroke is 0 to {MAX_GRIPPER_WIDTH} m: "
            "millimetres, radians or counts? --gripper-range CLOSED:OPEN gives its values closed and open"
        )
