# SPDX-License-Identifier: Apache-2.0
"""A stop is the robot's: what outlives the gate, what outlives the stack, and who may end it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rldg_core.gate_reason import Reason, ReasonCode
from rldg_core.stop_memory import StopMemory, stop_in

TOO_HARD = Reason(
    ReasonCode.WRENCH, "external wrench of 80.0 N, 0.0 Nm is beyond the limit of 60 N, 10 Nm"
)
EMERGENCY = Reason(ReasonCode.EMERGENCY_STOP, "emergency stop")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "logs" / "gate_stopped.json")


def test_a_stop_is_remembered_until_it_is_released(path: str) -> None:
    memory = StopMemory(path, "first")
    assert memory.recall() is None
    memory.keep(EMERGENCY)
    assert StopMemory(path, "first").recall() == EMERGENCY
    memory.forget()
    memory.forget()
    assert memory.recall() is None and not list(Path(path).parent.iterdir())


def test_an_emergency_stop_is_remembered_by_the_next_start_of_the_stack(path: str) -> None:
    StopMemory(path, "first", real=False).keep(EMERGENCY)
    later = StopMemory(path, "second", real=False)
    assert str(later.recall()).startswith("emergency stop (since 2")
    later.keep(Reason(EMERGENCY.code, "emergency stop (since then)"))
    first = StopMemory(path, "third", real=False).recall()
    assert first and "since then" not in first.text, "the first is kept"
    later.forget()
    assert StopMemory(path, "third", real=False).recall() is None


@pytest.mark.parametrize("real", [True, False])
def test_a_stop_for_a_wrench_in_simulation_ends_with_its_stack(path: str, real: bool) -> None:
    StopMemory(path, "first", real=real).keep(TOO_HARD)
    assert StopMemory(path, "first", real=real).recall() == TOO_HARD
    assert bool(StopMemory(path, "second", real=real).recall()) is real


def test_an_emergency_stop_takes_the_place_of_one_that_does_not_last(path: str) -> None:
    memory = StopMemory(path, "first", real=False)
    memory.keep(TOO_HARD)
    memory.keep(EMERGENCY)
    memory.keep(TOO_HARD)
    left = StopMemory(path, "second", real=False).recall()
    assert left and "emergency" in left.text and left.code is ReasonCode.EMERGENCY_STOP


def test_a_gate_that_was_not_stopped_forgets_nothing_of_another(path: str) -> None:
    other = StopMemory(path, "first")
    other.recall()
    StopMemory(path, "second").keep(EMERGENCY)
    other.forget()
    assert StopMemory(path, "third").recall()


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\0" * 100, b"[" * 100_000, b"stopped"])
def test_a_file_that_cannot_be_read_is_a_stop(path: str, content: bytes) -> None:
    Path(path).parent.mkdir()
    Path(path).write_bytes(content)
    memory = StopMemory(path)
    left = memory.recall()
    assert left and "nothing more is known" in left.text and left.code is ReasonCode.NONE
    memory.forget()
    assert not Path(path).exists()


def test_any_damage_to_the_file_is_a_stop(path: str) -> None:
    StopMemory(path, "first").keep(EMERGENCY)
    whole = Path(path).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(whole[: rng.integers(1, len(whole) + 1)])
        damaged[rng.integers(len(damaged))] = rng.integers(256)
        Path(path).write_bytes(damaged)
        assert StopMemory(path, "second").recall()


def test_where_nothing_can_be_written_it_is_an_error_every_time(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file, no folder")
    memory = StopMemory(str(tmp_path / "logs" / "stop.json"))
    for _ in range(2):
        with pytest.raises(OSError):
            memory.keep(EMERGENCY)
    assert StopMemory("").recall() is None


@pytest.mark.parametrize("lasts", [True, False])
def test_a_stop_written_before_there_were_codes_lasts(path: str, lasts: bool) -> None:
    before = {"reason": TOO_HARD.text, "since": "2026-01-01", "start": "first", "lasts": lasts}
    Path(path).parent.mkdir()
    Path(path).write_text(json.dumps(before))
    left = StopMemory(path, "second", real=False).recall()
    assert left and left.text.startswith(TOO_HARD.text) and left.code is ReasonCode.NONE


def test_a_stop_with_a_code_of_a_newer_version_lasts(path: str) -> None:
    StopMemory(path, "first", real=False).keep(TOO_HARD)
    newer = json.loads(Path(path).read_text()) | {"code": 99}
    Path(path).write_text(json.dumps(newer))
    stop = stop_in(Path(path))
    assert stop and stop.lasts
