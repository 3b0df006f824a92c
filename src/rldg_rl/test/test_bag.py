# SPDX-License-Identifier: Apache-2.0
"""Bags: what is written comes back, also from a file that ends in the middle."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from rldg_core import contract
from rldg_core.bags.bag_reader import (
    EpisodeSummary,
    custom_data,
    images,
    is_complete,
    raw_messages,
    read_summary,
    typestore,
)
from rldg_core.task import load_task
from rldg_rl.episodes.bag import BagWriter, recover, source_of, stored_steps

VGA = load_task("connector/vga")
PERIOD = 100_000_000
START = 1_700_000_000_000_000_000
STEPS = 5


def encode(topic: contract.Topic, **fields: Any) -> bytes:
    """A serialised message with default values but for `fields`."""
    return bytes(typestore().serialize_cdr(message(topic.type, **fields), topic.type))


def message(kind: str, **fields: Any) -> Any:
    """A message of default values, some of them replaced."""
    store = typestore()
    definition = store.fielddefs[kind][1]
    values = {name: fields.get(name, default(kind_)) for name, kind_ in definition}
    return store.types[kind](**values)


def default(kind: Any) -> Any:
    node, detail = kind
    if node == 1:
        return {"string": "", "bool": False}.get(detail[0], 0.0 if "float" in detail[0] else 0)
    if node == 2:
        return message(detail)
    base = detail[0][1][0] if detail[0][0] == 1 else None
    return np.zeros(
        detail[1] if node == 3 else 0, {"float32": "f4", "float64": "f8"}.get(base, "u1")
    )


def header(stamp: int) -> Any:
    time = message("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
    return message("std_msgs/msg/Header", stamp=time)


def write_episode(
    path: Path,
    steps: int = STEPS,
    close: bool = True,
    gripper: tuple[float, ...] = (0.5,) * STEPS,
    progress: tuple[float, ...] = (0.0,) * (STEPS + 1),
    source: str = "policy",
) -> BagWriter:
    """An episode whose TCP moves 1 cm a step along x; `gripper` is the last part of its actions, `progress` that of
    the task before every step and after the last.
    """
    writer = BagWriter(path)
    writer.write(
        "episode",
        START,
        encode(
            contract.EPISODE,
            header=header(START),
            episode_id=path.name,
            source=source,
            task="connector",
            variant="vga",
            seed=3,
            embodiment="fr3_hand",
            region="table",
            domain="sim",
        ),
    )
    for index in range(steps + 1):
        stamp = START + index * PERIOD
        write_state(writer, stamp, 0.01 * index, progress[index])
        if index:
            write_step(writer, path.name, index - 1, gripper[index - 1], last=index == steps)
            writer.flush()
    if close:
        writer.close(
            EpisodeSummary(path.name, source, "failure", "connector/vga", 3, steps, 0, 0.5)
        )
    return writer


def write_state(writer: BagWriter, stamp: int, x: float, progress: float) -> None:
    point = message("geometry_msgs/msg/Point", x=x, y=0.0, z=0.0)
    upright = message("geometry_msgs/msg/Quaternion", w=1.0)
    pose = message("geometry_msgs/msg/Pose", position=point, orientation=upright)
    pixels = np.full(8 * 8 * 3, (stamp // PERIOD) % 255, np.uint8)
    for topic, fields in (
        (contract.CURRENT_POSE, {"pose": pose}),
        (contract.CURRENT_TWIST, {}),
        (contract.EXTERNAL_WRENCH, {}),
        (contract.GRIPPER_STATE, {"width": 0.02}),
        (contract.TASK_STATE, {"offset": pose, "progress": progress}),
        (
            contract.WRIST_IMAGE,
            {"height": 8, "width": 8, "step": 24, "encoding": "rgb8", "data": pixels},
        ),
    ):
        writer.write(topic.name, stamp, encode(topic, header=header(stamp), **fields))


def write_step(writer: BagWriter, episode: str, index: int, gripper: float, last: bool) -> None:
    stamp = START + index * PERIOD
    writer.write(
        "step",
        stamp + PERIOD,
        encode(
            contract.STEP,
            header=header(stamp + PERIOD),
            episode_id=episode,
            index=index,
            state_stamp=header(stamp).stamp,
            image_stamp=header(stamp).stamp,
            next_state_stamp=header(stamp + PERIOD).stamp,
            next_image_stamp=header(stamp + PERIOD).stamp,
            action=np.array([*[0.5] * 6, gripper], np.float32),
            truncated=last,
        ),
    )


def check_steps(path: Path, expected: int) -> None:
    steps = list(stored_steps(path, VGA))
    assert [step.index for step in steps] == list(range(expected))
    for step in steps:
        assert step.observation[0] == pytest.approx(0.01 * step.index * 20.0, abs=1e-6)
        assert np.allclose(step.action, 0.5)
        assert (step.next_observation is not None) == (step.index == STEPS - 1)


def test_an_episode_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "policy_00001"
    write_episode(path)
    check_steps(path, STEPS)
    assert read_summary(path).seed == 3
    pictures = images(path, contract.WRIST_IMAGE)
    assert sorted(pictures) == [START + i * PERIOD for i in range(STEPS + 1)]
    assert pictures[START].shape == (8, 8, 3)


def test_what_changed_the_gripper_follows_from_the_actions(tmp_path: Path) -> None:
    path = tmp_path / "policy_00001"
    write_episode(path, gripper=(-1.0, 1.0, 0.0, 1.0, -1.0))  # 2 cm apart at first: closed
    changed = [step.gripper_changed for step in stored_steps(path, VGA)]
    assert changed == [False, True, False, False, True]


def test_what_came_before_the_hand_over_is_no_experience(tmp_path: Path) -> None:
    path = tmp_path / "policy_00001"
    write_episode(
        path, progress=(0.0, 0.25, 0.5, 0.25, 0.0, 0.0), gripper=(1.0, 0.0, 1.0, 0.0, -1.0)
    )
    whole = list(stored_steps(path, VGA))
    kept = list(stored_steps(path, replace(VGA, handover=0.5)))
    assert [step.index for step in kept] == [2, 3, 4], "whatever becomes of the progress"
    for step, same in zip(kept, whole[2:], strict=True):
        np.testing.assert_array_equal(step.observation, same.observation)
        assert step.gripper_changed == same.gripper_changed
    assert [step.gripper_changed for step in kept] == [False, False, True]
    assert list(stored_steps(path, replace(VGA, handover=0.75))) == []


def test_other_readers_read_it(tmp_path: Path) -> None:
    path = tmp_path / "policy_00001"
    write_episode(path)
    with AnyReader([path]) as reader:
        steps = [c for c in reader.connections if c.topic == "/step"]
        assert steps[0].msgcount == STEPS and steps[0].msgtype == "rldg_msgs/msg/Step"
    with (path / "policy_00001.mcap").open("rb") as stream:
        reader = make_reader(stream)
        statistics = reader.get_summary().statistics
        assert statistics.message_count == len(list(raw_messages(path)))


def test_a_bag_that_was_never_closed_has_every_flushed_step(tmp_path: Path) -> None:
    path = tmp_path / "policy_00001"
    writer = write_episode(path, close=False)
    check_steps(path, STEPS)  # while it is still being written
    writer.abort()
    assert not is_complete(path)
    summary = recover(path, "1:640x480:80,0,480,480:128")
    assert custom_data(path)["image_contract"] == "1:640x480:80,0,480,480:128"
    assert summary == EpisodeSummary(
        "policy_00001", "policy", "aborted", "connector/vga", 3, STEPS, 0, 0.5
    )
    assert is_complete(path) and read_summary(path) == summary
    check_steps(path, STEPS)


@pytest.mark.parametrize("part", [0.1, 0.35, 0.5, 0.77, 0.99])
def test_a_truncated_bag_gives_what_lies_before_the_end(tmp_path: Path, part: float) -> None:
    path = tmp_path / "policy_00001"
    write_episode(path, close=False).abort()
    file = path / "policy_00001.mcap"
    whole = list(raw_messages(path))
    file.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])
    readable = list(raw_messages(path))
    assert readable == whole[: len(readable)]
    summary = recover(path)
    if summary is not None:
        check_steps(path, summary.steps)


def test_an_empty_bag_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "policy_00001"
    path.mkdir()
    assert recover(path) is None and not path.exists()


class Killed(BaseException):
    """What would have come after it did not."""


@pytest.mark.parametrize("after", range(4))
def test_a_kill_while_mending_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    path = tmp_path / "policy_00001"
    write_episode(path, close=False).abort()
    moments = iter(range(after))

    def mortal(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*words: Any, **options: Any) -> Any:
            if next(moments, None) is None:
                raise Killed
            return change(*words, **options)

        return changed

    with monkeypatch.context() as patch, suppress(Killed):
        for place, name in ((os, "replace"), (Path, "rename"), (shutil, "rmtree")):
            patch.setattr(place, name, mortal(getattr(place, name)))
        recover(path)
    if not is_complete(path):
        assert recover(path).steps == STEPS
    check_steps(path, STEPS)


def test_recovering_twice_is_harmless(tmp_path: Path) -> None:
    path = tmp_path / "policy_00001"
    write_episode(path, close=False).abort()
    (tmp_path / ".recovering" / "policy_00001").mkdir(parents=True)  # a recovery that was killed
    assert recover(path).steps == STEPS
    assert [p.name for p in tmp_path.iterdir()] == ["policy_00001"]


def test_a_bag_says_where_its_steps_come_from_whatever_it_is_called(tmp_path: Path) -> None:
    write_episode(tmp_path / "evaluation_00000")
    assert source_of(tmp_path / "evaluation_00000") == "policy"
    steps = list(stored_steps(tmp_path / "evaluation_00000", VGA))
    assert len(steps) == STEPS and {step.source for step in steps} == {"policy"}
