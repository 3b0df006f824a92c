# SPDX-License-Identifier: Apache-2.0
"""What a gripper's numbers mean is asked or checked, never guessed: a wrong meaning inverts what a student learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plain_bags import IMAGE, POSE, Plain, Stream, demonstration
from synthetic_bags import START

from rldg_core import contract
from rldg_distill.conversion.shard import ConversionRecipe
from rldg_distill.convert import main as convert
from rldg_distill.datasets.episode import BadBag, Episode
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts, find_foreign
from rldg_distill.recordings.foreign.gripper_width import GripperRange

PEPPER = StatedFacts(task="pick_place/pepper", action="motion")
HAND = ("fr3_finger_joint1", "fr3_finger_joint2")
JOINTS = contract.JOINT_STATES
CLOSES = 1.5  # s


def read(plain: Plain, folder: Path, stated: StatedFacts = PEPPER) -> Episode:
    return ConversionRecipe(ImageFormat(), {IMAGE.name: "image"}, stated).read(
        plain.write(folder / "plain")
    )


def refused(plain: Plain, folder: Path, stated: StatedFacts = PEPPER) -> str:
    with pytest.raises(BadBag) as error:
        read(plain, folder, stated)
    return str(error.value)


def with_joints(
    names: tuple[str, ...],
    position: Callable[[float], list[float]],
    rate: float = 30.0,
    until: float = 4.0,
    topic: str = JOINTS.name,
    seed: int = 0,
) -> Plain:
    """A gripper's joints at `rate` Hz; `position` of the second."""
    plain = demonstration(seed)
    moments = np.arange(0.0, until, 1.0 / rate)
    messages = {
        START + int(t * 1e9): {"name": list(names), "position": np.array(position(t))}
        for t in moments
    }
    plain.streams[topic] = Stream(JOINTS.type, messages)
    return plain


def shut(opened: float, closed: float, count: int = 1) -> Callable[[float], list[float]]:
    return lambda t: [opened if t < CLOSES else closed] * count


def is_sound(episode: Episode) -> bool:
    """Open, then closed, each in its time."""
    begins = (episode.state_stamp - START) / 1e9
    sure = np.abs(begins - CLOSES) > 0.15
    return bool((episode.action[sure, 6] == (begins[sure] < CLOSES)).all())


def test_radians_are_asked_for_and_then_right(tmp_path: Path) -> None:
    plain = with_joints(("shoulder_pan_joint", "finger_joint"), lambda t: [0.1, *shut(0, 0.7)(t)])
    message = refused(plain, tmp_path / "asked")
    assert "--gripper-joint finger_joint --gripper-range CLOSED:OPEN" in message
    assert "Here finger_joint is 0 to 0.7" in message
    named = replace(PEPPER, gripper_joint="finger_joint", gripper_range="0.7:0")
    episode = read(plain, tmp_path / "told", named)
    assert is_sound(episode)
    np.testing.assert_allclose(episode.state[[0, -1], 18], [0.08, 0.0], atol=1e-7)
    inverse = replace(named, gripper_range="0:0.7")
    assert not is_sound(read(plain, tmp_path / "inverse", inverse))  # a person's word goes


@pytest.mark.parametrize(
    ("names", "opened", "closed", "range_"),
    [
        (("gripper_joint",), 100.0, 0.0, "0:100"),  # percent
        (("rh_p12_rn",), 0.0, 255.0, "255:0"),  # counts
        (("knuckle",), -0.8, 0.05, "0.05:-0.8"),
        (("Finger_Joint",), 0.0, 0.7, "0.7:0"),
        (("left_finger_joint1", "left_finger_joint2"), 0.04, 0.0, "0:0.04"),
    ],
)
def test_any_gripper_whose_range_is_stated(
    tmp_path: Path, names: tuple[str, ...], opened: float, closed: float, range_: str
) -> None:
    plain = with_joints(names, shut(opened, closed, len(names)))
    stated = replace(PEPPER, gripper_joint=names[0], gripper_range=range_)
    assert is_sound(read(plain, tmp_path, stated))


@pytest.mark.parametrize(
    ("names", "position", "message"),
    [
        (HAND, shut(40.0, 12.0, 2), "has 40, 40 for the gripper, and its stroke is 0 to 0.04 m"),
        (HAND, shut(4.0, 1.2, 2), "millimetres, radians or counts?"),
        (HAND, shut(0.0, 255.0, 2), "millimetres, radians or counts?"),
        (HAND, shut(-0.04, 0.0, 2), "has -0.04, -0.04"),
        (HAND, shut(0.08, 0.03, 2), "stroke is 0 to 0.04 m"),  # each tells the whole width
        (HAND, shut(np.nan, 0.0, 2), "has nan, nan for the gripper"),
        (HAND, lambda t: [0.04 if t < 1.5 else 0.01, 0.0], "which move alike"),
        (HAND[:1], shut(0.04, 0.0), "--gripper-joint fr3_finger_joint1"),
        (("left_finger", "right_finger"), shut(0.04, 0.0, 2), "--gripper-range CLOSED:OPEN"),
        (
            ("left_finger_joint1", "left_finger_joint2", "right_finger_joint1"),
            shut(0.04, 0.0, 3),
            "Name one",
        ),
        (("a_finger_joint1", "b_finger_joint2"), shut(0.04, 0.0, 2), "Name one"),
        (("gripper_joint",), shut(0.04, 0.0), "--gripper-joint gripper_joint --gripper-range"),
        (("robotiq_85_left_knuckle_joint",), shut(0.0, 0.8), "is 0 to 0.8"),
        (("panda_joint1", "left_jaw"), shut(0.0, 0.04, 2), "--gripper-joint left_jaw"),
        (("drive_joint",), shut(0.0, 0.85), "joint_states has drive_joint: where one of them"),
    ],
)
def test_what_no_hand_of_franka_says_is_refused(
    tmp_path: Path, names: tuple[str, ...], position: Callable[[float], list[float]], message: str
) -> None:
    assert message in refused(with_joints(names, position), tmp_path)


@pytest.mark.parametrize("names", [HAND, ("FR3_Finger_Joint1", "FR3_Finger_Joint2")])
@pytest.mark.parametrize("closed", [0.0, 0.03, 0.04])
def test_frankas_hand_needs_no_word(tmp_path: Path, names: tuple[str, ...], closed: float) -> None:
    episode = read(with_joints(names, shut(0.04, closed, 2)), tmp_path)
    if closed < 0.039:
        assert is_sound(episode)
    else:  # constant for a whole episode is sound
        assert episode.action[:, 6].all()
    np.testing.assert_allclose(episode.state[0, 18], 0.08)


def test_fingers_beside_other_joints_and_in_some_messages_only(tmp_path: Path) -> None:
    plain = with_joints(HAND, shut(0.04, 0.0, 2), rate=60.0)
    messages = plain.streams[JOINTS.name].messages
    arm = {"name": ["fr3_joint1"], "position": np.array([0.3])}
    for number, stamp in enumerate(list(messages)):
        if number % 3:
            messages[stamp] = arm
    assert is_sound(read(plain, tmp_path))
    named = replace(PEPPER, gripper_joint="fr3_finger_joint", gripper_range="0:0.04")
    message = refused(plain, tmp_path / "wrong", named)
    assert "has no joint fr3_finger_joint on joint_states. There are: fr3_finger_joint1" in message
    capitals = replace(named, gripper_joint="FR3_finger_joint1")
    assert "It is spelt fr3_finger_joint1" in refused(plain, tmp_path / "capitals", capitals)


def test_a_closed_gripper_of_any_name_is_asked_about(tmp_path: Path) -> None:
    """A width of zero would be a guess, too, where the bag says something."""
    plain = with_joints(("shoulder", "Gripper_Knuckle"), lambda t: [0.1, 0.5])
    assert "--gripper-joint Gripper_Knuckle" in refused(
        plain, tmp_path, StatedFacts(task="connector/vga")
    )


def test_joints_on_two_topics_are_named(tmp_path: Path) -> None:
    plain = with_joints(HAND, shut(0.04, 0.0, 2), topic="fr3_gripper/joint_states")
    arm = with_joints(("fr3_joint1",), shut(0.0, 1.0)).streams[JOINTS.name]
    plain.streams[JOINTS.name] = arm
    message = refused(plain, tmp_path)
    assert "joint_states has fr3_joint1: where one of them measures it" in message
    assert message.endswith("or --topic joint_states=/fr3_gripper/joint_states")


def test_a_gripper_that_speaks_late_is_heard(tmp_path: Path) -> None:
    plain = with_joints(HAND, shut(0.04, 0.0, 2))
    messages = plain.streams[JOINTS.name].messages
    plain.streams[JOINTS.name].messages = {
        s: m for s, m in messages.items() if s > START + 1.3e9
    } | {s: {"name": ["fr3_joint1"], "position": np.zeros(1)} for s in plain.stamps(POSE)[::7]}
    episode = read(plain, tmp_path)
    assert is_sound(episode) and len(episode) == 26
    assert episode.remarks == (
        "begins 1.33 s later than its first message, where joint_states begins",
    )


def test_another_topic_of_joints(tmp_path: Path) -> None:
    plain = with_joints(HAND, shut(0.04, 0.0, 2), topic="fr3_gripper/joint_states")
    named = "--topic joint_states=/fr3_gripper/joint_states"
    assert named in refused(plain, tmp_path / "missing")
    stated = replace(PEPPER, topics={JOINTS.name: "fr3_gripper/joint_states"})
    assert is_sound(read(plain, tmp_path / "told", stated))
    other = with_joints(("drive", "wrist"), shut(1.0, 0.0, 2), topic="fr3_gripper/joint_states")
    assert "has drive, wrist on fr3_gripper/joint_states: name the one" in refused(
        other, tmp_path / "other", stated
    )


@pytest.mark.parametrize("gone", [(1.2, 4.0), (1.2, 2.2), (2.0, 3.9)])
def test_a_gripper_that_falls_silent_is_no_open_gripper(
    tmp_path: Path, gone: tuple[float, float]
) -> None:
    plain = with_joints(HAND, shut(0.04, 0.0, 2))
    messages = plain.streams[JOINTS.name].messages
    plain.streams[JOINTS.name].messages = {
        s: m for s, m in messages.items() if not gone[0] < (s - START) / 1e9 < gone[1]
    }
    assert "the latest message of joint_states is 0.5" in refused(plain, tmp_path)


def test_a_gripper_that_speaks_only_when_something_changes_may_be_silent(tmp_path: Path) -> None:
    plain = with_joints(HAND, shut(0.04, 0.0, 2), rate=1.0 / CLOSES, until=2.0)
    assert is_sound(read(plain, tmp_path / "change"))
    once = with_joints(HAND, shut(0.04, 0.0, 2), until=0.01)
    assert read(once, tmp_path / "once").action[:, 6].all()
    # By the clock, but seldom: who says the same twice does not wait for a change.
    seldom = with_joints(HAND, shut(0.04, 0.0, 2), rate=1.0)
    assert read(seldom, tmp_path / "seldom").action[0, 6] == 1.0
    dead = with_joints(HAND, shut(0.04, 0.0, 2), rate=1.0, until=1.2)
    assert "of joint_states is 1.53 s old, more than 1.5 s" in refused(dead, tmp_path / "dead")


def test_a_width_in_other_units_and_a_named_joint_beside_it(tmp_path: Path) -> None:
    plain = with_joints(("finger_joint",), shut(0.0, 0.7))
    state = contract.GRIPPER_STATE
    messages = {
        s: {"width": 80.0 if s < START + CLOSES * 1e9 else 20.0} for s in plain.stamps(POSE)
    }
    plain.streams[state.name] = Stream(state.type, messages)
    assert "gripper/state has 80 for the gripper" in refused(plain, tmp_path / "asked")
    millimetres = replace(PEPPER, gripper_range="0:80")
    assert is_sound(read(plain, tmp_path / "told", millimetres))
    beyond = replace(PEPPER, gripper_range="0:60")
    assert "outside of the given range 0:60" in refused(plain, tmp_path / "beyond", beyond)
    named = replace(PEPPER, gripper_joint="finger_joint", gripper_range="0.7:0")
    bag = plain.write(tmp_path / "named")
    assert find_foreign(bag, named).width == JOINTS.name
    # What is asked for is a width, too.
    asked = contract.GRIPPER_COMMAND
    plain.streams[asked.name] = Stream(asked.type, {START + 10**9: {"width": 12.0}})
    assert "asks the gripper for 12 m" in refused(plain, tmp_path / "commands", millimetres)


def test_a_range_of_two_fingers_is_of_one_of_them(tmp_path: Path) -> None:
    plain = with_joints(HAND, shut(40.0, 12.0, 2))
    stated = replace(PEPPER, gripper_range="0:80")
    assert "--gripper-joint fr3_finger_joint1" in refused(plain, tmp_path / "which", stated)
    one = replace(PEPPER, gripper_joint=HAND[0], gripper_range="0:40")
    assert is_sound(read(plain, tmp_path / "one", one))


def test_a_range_without_a_gripper_and_wrong_ranges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stated = replace(PEPPER, gripper_range="0.7:0")
    assert "though its range was given" in refused(demonstration(), tmp_path, stated)
    for text in ("0.7", "1:1", "nan:0", "a:b", "0:0.7:1"):
        with pytest.raises(ValueError, match="is no range of a gripper"):
            GripperRange.parse(text)
    for arguments in (["--gripper-joint", "finger_joint"], ["--gripper-range", "7"]):
        with pytest.raises(SystemExit):
            convert([str(tmp_path), "--out", str(tmp_path / "x"), *arguments])
        assert "CLOSED:OPEN" in capsys.readouterr().err


def test_the_command_line_and_the_bag_itself_can_say_it(tmp_path: Path) -> None:
    for number in range(2):
        plain = with_joints(("finger_joint",), shut(0.0, 0.7), seed=number)
        if number:
            plain.custom = {"gripper_joint": "finger_joint", "gripper_range": "0.7:0"}
        plain.write(tmp_path / "bags" / f"plain_{number}")
    out = tmp_path / "demos"
    arguments = [str(tmp_path / "bags"), "--out", str(out), "--recorded", "task=pick_place/pepper"]
    assert convert([*arguments, "--recorded", "action=motion"]) == 1
    gripper = ("--gripper-joint", "finger_joint", "--gripper-range", "0.7:0")
    assert convert([*arguments, "--recorded", "action=motion", *gripper]) == 0
    dataset = Dataset(out)
    assert dataset.contract.recorded.told["gripper_range"] == "0.7:0"
    assert all(is_sound(e) for name in dataset.shards for e in dataset.episodes(name))
