# SPDX-License-Identifier: Apache-2.0
"""What an arm cannot have done is refused on conversion and found in a dataset, by one rule; a fast hand is neither."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_bags import IMAGE, JOY, POSE, Plain, Stream, demonstration, pose
from scipy.spatial.transform import Rotation
from synthetic_bags import PERIOD, START, message, pose_message, write_bag

from rldg_core import contract
from rldg_core.poses import Pose
from rldg_distill.conversion.shard import ConversionRecipe
from rldg_distill.conversion.validation import faults
from rldg_distill.datasets.episode import BadBag, Episode
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.datasets.plausibility import implausible
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts

VGA = StatedFacts(task="connector/vga")
MOTION = StatedFacts(task="connector/vga", action="motion")
TARGET, TWIST, WRENCH = (
    contract.TARGET_POSE,
    contract.CURRENT_TWIST,
    contract.EXTERNAL_WRENCH,
)


def read(plain: Plain, folder: Path, stated: StatedFacts = VGA) -> Episode:
    return ConversionRecipe(ImageFormat(), {IMAGE.name: "image"}, stated).read(
        plain.write(folder / "plain")
    )


def refused(plain: Plain, folder: Path, stated: StatedFacts = VGA) -> str:
    with pytest.raises(BadBag) as error:
        read(plain, folder, stated)
    return str(error.value)


def moving(where: Callable[[float], Pose]) -> Plain:
    """A demonstration whose arm is at `where` of the second."""
    plain = demonstration()
    stream = plain.streams[POSE.name]
    stream.messages = {s: {"pose": pose_message(where((s - START) / 1e9))} for s in stream.messages}
    return plain


def line(speed: float, offset: float = 0.4) -> Callable[[float], Pose]:
    """To and fro along x, with `speed` m/s."""
    return lambda t: Pose.from_rotvec(
        [offset + speed * abs((t + 0.5) % 1.0 - 0.5), 0.0, 0.2], [np.pi, 0.0, 0.0]
    )


def aimed(plain: Plain, goal: Callable[[Pose], Pose], frame: str = "") -> Plain:
    """With targets that are some way from the poses."""
    messages = {s: {"pose": pose_message(goal(pose(s)))} for s in plain.stamps(POSE)}
    plain.streams[TARGET.name] = Stream(TARGET.type, messages, frame=frame)
    return plain


@pytest.mark.parametrize("scale", [1000.0, 100.0, 39.37])
def test_positions_in_other_units(tmp_path: Path, scale: float) -> None:
    def scaled(t: float) -> Pose:
        found = line(0.02)(t)
        return Pose(scale * found.position, found.quaternion)

    assert "millimetres or centimetres?" in refused(moving(scaled), tmp_path, MOTION)


def test_a_fast_hand_is_no_fault(tmp_path: Path) -> None:
    """A person who leads the arm at 0.6 m/s, four times what a policy may do."""
    episode = read(moving(line(0.6)), tmp_path, MOTION)
    assert list(implausible(episode, PERIOD)) == []
    assert np.abs(episode.action[:, :3]).max() > 0.05


@pytest.mark.parametrize("rate", [7.0, 10.0])
def test_a_hand_whose_arm_speaks_seldom(tmp_path: Path, rate: float) -> None:
    """At one control step there is no newer pose, at the next it is two further: the hand is no faster for that."""
    plain = moving(line(0.6))
    where = {s: {"pose": pose_message(line(0.6)((s - START) / 1e9))} for s in times(rate)}
    plain.streams[POSE.name].messages = where
    episode = read(plain, tmp_path, MOTION)
    size = np.linalg.norm(episode.action[:, :3], axis=1)
    assert (size > 0.075).sum() > 0.2 * len(size)
    assert list(implausible(episode, PERIOD)) == []


def times(rate: float) -> list[int]:
    """Stamps of 4 s whose intervals are uneven, as those of an arm without a real-time clock."""
    moments = np.arange(0.0, 4.1, 1.0 / rate)
    moments[1:-1] += np.random.default_rng(3).uniform(-0.4, 0.4, len(moments) - 2) / rate
    return [START + int(moment * 1e9) for moment in moments]


def test_what_an_arm_did_is_not_offered_in_its_own_place(tmp_path: Path) -> None:
    reason = refused(moving(line(2.0)), tmp_path, MOTION)
    assert "actions are beyond" in reason and "action=motion" not in reason


def test_an_arm_that_jumps(tmp_path: Path) -> None:
    def two_sources(t: float) -> Pose:
        return Pose.from_rotvec([0.4 + 0.5 * (int(10 * t) % 2), 0.0, 0.2], [0.0, 0.0, 0.0])

    assert "two sources on one topic?" in refused(moving(two_sources), tmp_path / "way", MOTION)

    def flips(t: float) -> Pose:
        return Pose.from_rotvec([0.4, 0.0, 0.2], [0.0, 0.0, 2.0 * (int(10 * t) % 2)])

    assert "rad/s, more than 6.28" in refused(moving(flips), tmp_path / "turn", MOTION)


def test_half_a_turn_from_the_start_is_no_jump(tmp_path: Path) -> None:
    def turned(t: float) -> Pose:
        spin = Rotation.from_rotvec([0.0, 0.0, np.pi - 0.2 + 0.2 * t]) if t > 1.0 else None
        ramp = Rotation.from_rotvec([0.0, 0.0, t * np.pi]) if spin is None else spin
        return Pose(np.array([0.4, 0.0, 0.2]), ramp.as_quat())

    episode = read(moving(turned), tmp_path, MOTION)
    assert np.ptp(episode.state[:, 5]) > 6.0  # the rotation vector flips
    assert list(implausible(episode, PERIOD)) == []


@pytest.mark.parametrize(
    ("goal", "cause"),
    [
        (lambda p: Pose(p.position + [0.9, -0.2, 0.1], p.quaternion), "another frame"),
        (lambda p: Pose(1000.0 * p.position, p.quaternion), "millimetres"),
        (lambda p: Pose(p.position, np.roll(p.quaternion, 1)), "in the order w x y z"),
    ],
)
def test_targets_that_are_no_actions(
    tmp_path: Path, goal: Callable[[Pose], Pose], cause: str
) -> None:
    plain = aimed(demonstration(), goal)
    reason = refused(plain, tmp_path / "refused")
    assert cause in reason and "--recorded action=motion" in reason
    assert len(read(plain, tmp_path / "motion", MOTION)) == 39


def test_a_target_that_is_far_now_and_then_is_an_action(tmp_path: Path) -> None:
    steps = iter(range(10**6))

    def rarely(p: Pose) -> Pose:
        return Pose(p.position + [0.3 if next(steps) % 200 < 20 else 0.02, 0, 0], p.quaternion)

    assert np.abs(read(aimed(demonstration(), rarely), tmp_path).action[:, :3]).max() > 0.2


def test_a_target_that_is_no_rotation(tmp_path: Path) -> None:
    plain = aimed(demonstration(), lambda p: Pose(p.position, 3.0 * p.quaternion))
    assert "target_pose is no pose" in refused(plain, tmp_path)


@pytest.mark.parametrize(
    ("topic", "frame", "cause"),
    [
        (TARGET, "world", "target_pose is in the frame world, current_pose in base"),
        (TARGET, "", ""),
        (TARGET, "/base", ""),
        (TWIST, "fr3_hand_tcp", "current_twist is in the frame fr3_hand_tcp"),
        (WRENCH, "base", "external_wrench is in the frame base, as the pose"),
        (WRENCH, "fr3_hand_tcp", ""),
        (POSE, "fr3_link0", ""),
    ],
)
def test_frames_must_agree(tmp_path: Path, topic: contract.Topic, frame: str, cause: str) -> None:
    plain = aimed(demonstration(), lambda p: p)
    plain.streams[POSE.name].frame = "base"
    for kind in (TWIST, WRENCH):
        plain.streams[kind.name] = Stream(kind.type, {s: {} for s in plain.stamps(POSE)})
    plain.streams[topic.name].frame = frame
    if not cause:
        plain.streams[TARGET.name].frame = (
            frame if topic is POSE else plain.streams[TARGET.name].frame
        )
        assert len(read(plain, tmp_path)) == 39
        return
    assert cause in refused(plain, tmp_path)


def test_a_frame_that_changes(tmp_path: Path) -> None:
    plain = demonstration()
    stream = plain.streams[POSE.name]
    late = {s: m for s, m in stream.messages.items() if s > START + 2e9}
    stream.messages = {s: m for s, m in stream.messages.items() if s not in late}
    stream.frame = "base"
    plain.rename(POSE, "early")
    plain.streams["late"] = Stream(POSE.type, late, frame="world")
    plain.joined = {"early": POSE.name, "late": POSE.name}
    assert "current_pose is in several frames: base, world" in refused(plain, tmp_path)


@pytest.mark.parametrize("value", [350.0, -127.0, np.nan, np.inf])
def test_raw_counts_of_a_spacemouse(tmp_path: Path, value: float) -> None:
    plain = demonstration()
    for number, fields in enumerate(plain.streams[JOY.name].messages.values()):
        if np.isfinite(value):
            fields["axes"] = (value * fields["axes"]).astype(np.float32)
        elif number % 50 < 20:
            fields["axes"] = np.where(np.arange(6) == 2, value, fields["axes"]).astype(np.float32)
    assert "raw counts?" in refused(plain, tmp_path)
    # A little more than full deflection is clipped, as the actor does.
    for fields in plain.streams[JOY.name].messages.values():
        fields["axes"] = np.full(6, 1.2, np.float32)
    assert len(read(plain, tmp_path / "full")) == 39


def vectors(kind: str, first: str, second: str, a: list[float], b: list[float]) -> Any:
    three = [
        message("geometry_msgs/msg/Vector3", **dict(zip("xyz", v, strict=True))) for v in (a, b)
    ]
    return message(kind, **dict(zip((first, second), three, strict=True)))


@pytest.mark.parametrize(
    ("linear", "angular", "cause"),
    [
        ([40.0, 0, 0], [0, 0, 0], "millimetres per second?"),
        ([4.0, 0, 0], [0, 0, 0], "millimetres per second?"),
        ([0, 0, 0], [0, 0, 25.0], "degrees per second?"),
        ([0, np.nan, 0], [0, 0, 0], "state is not finite (velocity_"),
    ],
)
def test_twists_in_other_units(
    tmp_path: Path, linear: list[float], angular: list[float], cause: str
) -> None:
    plain = demonstration()
    twist = vectors("geometry_msgs/msg/Twist", "linear", "angular", linear, angular)
    plain.streams[TWIST.name] = Stream(
        TWIST.type, {s: {"twist": twist} for s in plain.stamps(POSE)}
    )
    assert cause in refused(plain, tmp_path)


@pytest.mark.parametrize("far", [50.0, 1e30])
def test_one_step_of_impossible_values(tmp_path: Path, far: float) -> None:
    """A share of the steps may be far from the others, but no number is beyond all that an arm can be or do."""

    def goal(p: Pose) -> Pose:
        once = next(steps) // 20 == 20
        return Pose(np.array([far, 0.0, 0.0]) if once else p.position, p.quaternion)

    steps = iter(range(10**6))
    reason = refused(aimed(demonstration(), goal), tmp_path / "target")
    assert "the action is" in reason and "more than 3 m" in reason
    episode = read(demonstration(), tmp_path / "sound")
    for column, cause in ((8, "twist"), (14, "the external wrench is")):
        state = episode.state.copy()
        state[7, column] = 1e3 * far
        assert cause in "".join(implausible(replace(episode, state=state), PERIOD))


@pytest.mark.parametrize(
    ("force", "torque", "cause"),
    [
        ([0, 0, 9000.0], [0, 0, 0], "millinewtons, or raw counts"),
        ([0, 0, 0], [0, 300.0, 0], "beyond 100 Nm"),
        ([np.inf, 0, 0], [0, 0, 0], "state is not finite (force_x [N])"),
        ([0, 0, 0], [0, np.nan, 0], "state is not finite (torque_y [Nm])"),
        ([1e39, 0, 0], [0, 0, 0], "state is not finite (force_x [N])"),
    ],
)
def test_wrenches_that_no_arm_feels(
    tmp_path: Path, force: list[float], torque: list[float], cause: str
) -> None:
    plain = demonstration()
    wrench = vectors("geometry_msgs/msg/Wrench", "force", "torque", force, torque)
    plain.streams[WRENCH.name] = Stream(
        WRENCH.type, {s: {"wrench": wrench} for s in plain.stamps(POSE)}
    )
    assert cause in refused(plain, tmp_path)


def test_the_same_rule_finds_them_in_a_dataset(tmp_path: Path) -> None:
    episode = read(demonstration(), tmp_path)
    assert list(faults(episode, PERIOD)) == []

    def found(**arrays: Any) -> str:
        return "\n".join(faults(replace(episode, **arrays), PERIOD))

    def changed(array: np.ndarray, columns: Any, factor: float) -> np.ndarray:
        copy = array.copy()
        copy[:, columns] *= factor
        return copy

    state, action = episode.state, episode.action
    assert "millimetres" in found(state=changed(state, slice(0, 3), 1000.0))
    assert "actions are beyond 5 times" in found(action=changed(action, slice(0, 3), 100.0))
    assert "quaternions in the order" in found(action=changed(action, slice(3, 6), 30.0))
    wide = state.copy()
    wide[:, 18] = 0.7
    assert "the gripper is 0.7 m wide" in found(state=wide)
    wide[3, 15] = np.nan
    assert "step 3: state is not finite (torque_x [Nm])" in found(state=wide)
    saturated = np.sign(action) * np.append(episode.metadata.action_scale, 1.0)
    assert found(action=saturated.astype(np.float32)) == ""


def test_a_stream_that_died_in_a_bag_of_our_own(tmp_path: Path) -> None:
    own = write_bag(tmp_path / "policy_00000", steps=20, gripper_dies=8)
    with pytest.raises(
        BadBag, match=r"step 13: the nearest message of gripper/state is 0.60 s away"
    ):
        ConversionRecipe(ImageFormat(), {IMAGE.name: "image"}, VGA).read(own)


def test_our_own_bags_are_held_to_it_too(tmp_path: Path) -> None:
    own = write_bag(tmp_path / "policy_00000", steps=8, wrench=np.nan)
    with pytest.raises(BadBag, match=r"state is not finite \(force_x"):
        ConversionRecipe(ImageFormat(), {IMAGE.name: "image"}, VGA).read(own)
