# SPDX-License-Identifier: Apache-2.0
"""Tests of what the exit of a node means."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldg_bringup.stack import NodeSpec
from rldg_bringup.supervision import CRASHES, WINDOW, Supervisor

WORKER = NodeSpec("p", "worker", "worker")
ACTOR = NodeSpec("p", "actor", "actor", required=True)


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    return Supervisor(tmp_path)


def test_the_clean_exit_of_a_required_node_ends_the_stack(supervisor: Supervisor) -> None:
    assert supervisor.judge(ACTOR, 0, 0.0).ends == 0


def test_a_user_error_ends_the_stack(supervisor: Supervisor) -> None:
    assert supervisor.judge(WORKER, 2, 0.0).ends == 2


@pytest.mark.parametrize("code", [1, -9])
def test_a_crash_is_respawned(supervisor: Supervisor, code: int) -> None:
    verdict = supervisor.judge(ACTOR, code, 0.0)

    assert verdict.respawn
    assert verdict.ends is None


def test_a_crash_shows_the_end_of_the_log(supervisor: Supervisor, tmp_path: Path) -> None:
    (tmp_path / "worker.log").write_text("\n".join(f"line {i}." for i in range(40)))

    message = supervisor.judge(WORKER, 1, 0.0).message

    assert str(tmp_path / "worker.log") in message
    assert "line 39." in message
    assert "line 25." in message
    assert "line 24." not in message


def test_a_crash_loop_ends_the_stack(supervisor: Supervisor) -> None:
    verdicts = [supervisor.judge(WORKER, 1, float(i)) for i in range(CRASHES)]

    assert [verdict.ends for verdict in verdicts] == [None] * (CRASHES - 1) + [1]
    assert "giving up" in verdicts[-1].message


def test_rare_crashes_are_no_loop(supervisor: Supervisor) -> None:
    moments = [i * WINDOW / 3 for i in range(20)]

    assert all(supervisor.judge(WORKER, 1, moment).respawn for moment in moments)


def test_each_node_has_its_own_count(supervisor: Supervisor) -> None:
    nodes = [NodeSpec("p", name, name) for name in ("a", "b")]

    assert all(supervisor.judge(nodes[i % 2], 1, float(i)).respawn for i in range(2 * CRASHES - 2))


def test_a_node_that_is_not_respawned_may_leave(supervisor: Supervisor) -> None:
    verdict = supervisor.judge(NodeSpec("p", "viewer", "viewer", respawn=False), 0, 0.0)

    assert not verdict.respawn
    assert verdict.ends is None
