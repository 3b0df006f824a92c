# SPDX-License-Identifier: Apache-2.0
"""One bag ends nothing but itself: whatever it raises, and however its streams are damaged."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plain_bags import IMAGE, JOY, POSE, Plain, Stream, demonstration, pose
from synthetic_bags import START, message, pose_message, write_bag

from rldg_core import contract
from rldg_distill.conversion import shard
from rldg_distill.conversion.validation import validate
from rldg_distill.convert import main as convert
from rldg_distill.datasets import statistics
from rldg_distill.datasets.rlds import Dataset

TASK = ("--recorded", "task=pick_place/pepper")


def raising(bag: str, error: BaseException) -> Callable[..., Any]:
    """Reading one bag raises it."""
    real = shard.read_episode

    def read(path: Path, *arguments: Any) -> Any:
        if path.name == bag:
            raise error
        return real(path, *arguments)

    return read


@pytest.mark.parametrize(
    ("error", "output"),
    [
        (MemoryError("131 GiB"), "failed unexpectedly (MemoryError: 131 GiB)"),
        (ValueError("odd"), "failed unexpectedly (ValueError: odd)"),
        (RecursionError(), "failed unexpectedly (RecursionError: )"),
        (ZeroDivisionError("x"), "failed unexpectedly (ZeroDivisionError: x)"),
        (IndexError("i"), "holds a damaged message: i"),
        (OSError(errno.EIO, "Input/output error"), "cannot be read: [Errno 5]"),
        (PermissionError(errno.EACCES, "Permission denied"), "cannot be read: [Errno 13]"),
    ],
)
def test_what_one_bag_raises_ends_that_bag(
    tmp_path: Path,
    error: BaseException,
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in range(4):
        write_bag(tmp_path / "bags" / f"policy_{number}", number, steps=4)
    monkeypatch.setattr(shard, "read_episode", raising("policy_1", error))
    assert convert([str(tmp_path / "bags"), "--out", str(tmp_path / "demos"), "--val", "0.5"]) == 3
    assert f"policy_1: {output}" in capsys.readouterr().err
    assert sum(Dataset(tmp_path / "demos").lengths.values()) == 3


def test_a_bag_that_no_record_can_hold_leaves_the_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write_bag(tmp_path / "bags" / f"policy_{number}", number, steps=4)
    real = shard.to_example

    def fails(episode: Any) -> Any:
        if episode.metadata.bag.endswith("policy_1"):
            raise OverflowError("too long")
        return real(episode)

    monkeypatch.setattr(shard, "to_example", fails)
    out = tmp_path / "demos"
    assert (
        convert([str(tmp_path / "bags"), "--out", str(out), "--workers", "1", "--val", "0.5"]) == 3
    )
    assert list(validate(Dataset(out))) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_still_stops_everything(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write_bag(tmp_path / "bags" / f"policy_{number}", number, steps=4)
    monkeypatch.setattr(shard, "read_episode", raising("policy_1", OSError(code, "No space left")))
    assert convert([str(tmp_path / "bags"), "--out", str(tmp_path / "demos")]) == 1
    assert not (tmp_path / "demos" / "1.0.0").exists()


# --- random damage ---------------------------------------------------------------------------------------------------


def whole(seed: int) -> Plain:
    """Every stream that a plain bag can have, of two seconds."""
    plain = demonstration(seed, seconds=2.0, camera=20.0)
    for topic, every in ((POSE, 4), (JOY, 3)):
        stream = plain.streams[topic.name]
        stream.messages = {s: stream.messages[s] for s in plain.stamps(topic)[::every]}
    stamps = plain.stamps(POSE)
    for topic in (contract.CURRENT_TWIST, contract.EXTERNAL_WRENCH):
        plain.streams[topic.name] = Stream(topic.type, {s: {} for s in stamps})
    goals = {s: {"pose": pose_message(pose(s, seed))} for s in stamps}
    plain.streams[contract.TARGET_POSE.name] = Stream(contract.TARGET_POSE.type, goals)
    names = ["fr3_finger_joint1", "fr3_finger_joint2"]
    fingers = {
        s: {"name": names, "position": np.full(2, 0.04 if s < START + 10**9 else 0.01)}
        for s in stamps
    }
    plain.streams[contract.JOINT_STATES.name] = Stream(contract.JOINT_STATES.type, fingers)
    asked = {s: {"width": 0.08 if s < START + 10**9 else 0.0} for s in stamps[::5]}
    plain.streams[contract.GRIPPER_COMMAND.name] = Stream(contract.GRIPPER_COMMAND.type, asked)
    return plain


def some(random: np.random.Generator, stream: Stream) -> list[int]:
    """One message, a stretch, or any of them."""
    stamps = sorted(stream.messages)
    share = random.choice([0.02, 0.3, 1.0])
    if random.random() < 0.5:
        first, last = sorted(random.integers(0, len(stamps) + 1, 2).tolist())
        return stamps[first:last]
    return [s for s in stamps if random.random() < share]


def scaled(random: np.random.Generator, value: Any, factor: float) -> Any:
    """A value of a message with one of its numbers, or all, multiplied."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        hit = random.random(value.shape) < 0.5
        return np.where(hit, value * factor, value).astype(value.dtype)
    if isinstance(value, float):
        return value * factor
    if hasattr(value, "__dataclass_fields__"):
        about = {n: getattr(value, n) for n in value.__dataclass_fields__ if not n.startswith("_")}
        name = random.choice([*about])
        about[name] = scaled(random, about[name], factor)
        return message(value.__msgtype__, **about)
    return value


def damage(random: np.random.Generator, plain: Plain) -> None:
    name = str(random.choice([*plain.streams]))
    stream = plain.streams[name]
    hit = some(random, stream)
    kind = random.choice(["drop", "zero", "shift", "shuffle", "double", "scale", "frame"])
    if kind == "drop" and len(hit) < len(stream.messages):
        stream.messages = {s: m for s, m in stream.messages.items() if s not in set(hit)}
    elif kind == "zero":
        stream.headers |= dict.fromkeys(hit, 0)
    elif kind == "shift":
        by = int(random.choice([1e6, 1e8, 1e9, 3.6e12, -3e7, -1e9, -1.6e18, 4e17]))
        stream.headers |= {s: s + by for s in hit}
    elif kind == "shuffle":
        stream.headers |= dict(zip(hit, random.permutation(hit).tolist(), strict=True))
    elif kind == "double" and hit:
        stream.headers |= dict.fromkeys(hit, hit[0])
    elif kind == "scale":
        factor = float(random.choice([1000.0, 100.0, -1.0, 0.0, 57.3, np.nan, np.inf, 1e39]))
        for stamp in hit:
            fields = stream.messages[stamp]
            if fields and name != IMAGE.name:
                key = str(random.choice([*fields]))
                fields = fields | {key: scaled(random, fields[key], factor)}
                stream.messages[stamp] = fields
    elif kind == "frame":
        stream.frame = str(random.choice(["base", "world", "fr3_hand_tcp"]))


@pytest.mark.filterwarnings("ignore:overflow|invalid value:RuntimeWarning")
def test_damaged_streams_are_refused_with_a_reason_or_sound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(19)
    for number in range(24):
        plain = whole(number)
        for _ in range(1 + int(random.integers(2)) if number else 0):
            damage(random, plain)
        if random.random() < 0.5:
            del plain.streams[JOY.name]
        plain.write(tmp_path / "bags" / f"plain_{number:02d}")
    out = tmp_path / "demos"
    # No other way to end than these: an exception would leave `convert`.
    assert convert([str(tmp_path / "bags"), "--out", str(out), *TASK, "--workers", "1"]) == 3
    output = capsys.readouterr().err
    assert "failed unexpectedly" not in output
    dataset = Dataset(out)
    assert 5 < sum(dataset.lengths.values()) < 23
    # A camera with gaps of less than 0.5 s converts, and validation tells of it.
    timing = ("dropped", "is not newer than", "apart", "shifted by", "frozen")
    faults = [str(fault) for fault in validate(dataset)]
    assert [fault for fault in faults if not any(word in fault for word in timing)] == []

    def strict(constant: str) -> None:
        raise AssertionError(constant)

    numbers = json.loads(
        (dataset.folder / statistics.STATISTICS).read_text(), parse_constant=strict
    )
    assert np.isfinite(numbers["state"]["std"]).all()
