# SPDX-License-Identifier: Apache-2.0
"""Tests of who else is taken for a publisher, and of when a gate refuses."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rldg_core.user_error import UserError
from rldg_robot import alone
from rldg_robot.alone import UNKNOWN, others_on, refuse_second_gate, somebody

STATE = "/safety_gate/state"


class Graph:
    """Plays a node: `publishers` are there from and until [s] after its start, which is now; time does not wait."""

    def __init__(self, *publishers: tuple[str, float, float], own: int = 0) -> None:
        self.there = publishers
        self.publishers = [SimpleNamespace(topic_name=STATE)] * own
        self.context = SimpleNamespace(get_domain_id=lambda: 7)
        self.seconds = 0.0

    def resolve_topic_name(self, name: str) -> str:
        return f"/{name.lstrip('/')}"

    def get_name(self) -> str:
        return "safety_gate"

    def get_publishers_info_by_topic(self, topic: str) -> list[Any]:
        assert topic == STATE
        names = [name for name, first, last in self.there if first <= self.seconds < last]
        return [SimpleNamespace(node_name=name) for name in names]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Lets the time of a graph pass while it is slept."""

    def watch(graph: Graph) -> Graph:
        def sleep(seconds: float) -> None:
            graph.seconds += seconds

        played = SimpleNamespace(sleep=sleep, monotonic=lambda: graph.seconds)
        monkeypatch.setattr(alone, "time", played)
        return graph

    return watch


def test_own_publishers_are_no_others() -> None:
    graph: Any = Graph(("safety_gate", 0, 9), ("safety_gate", 0, 9), ("player", 0, 9), own=1)

    assert others_on(graph, "safety_gate/state") == ["safety_gate", "player"]
    assert others_on(graph, STATE) == ["safety_gate", "player"]
    graph.publishers *= 3
    assert others_on(graph, STATE) == ["player"]


def test_somebody_is_named_once_that_is_known() -> None:
    assert somebody([UNKNOWN, "gate"]) == "the node 'gate'"
    assert somebody([UNKNOWN]) == "another node"


def test_a_gate_alone_looks_around_for_two_seconds(watched: Any) -> None:
    graph = watched(Graph())

    refuse_second_gate(graph)

    assert 2.0 <= graph.seconds < 2.2


@pytest.mark.parametrize("found", [0.0, 0.8, 1.9])
def test_a_second_gate_refuses(watched: Any, found: float) -> None:
    graph = watched(Graph(("safety_gate", found, 99)))

    with pytest.raises(
        UserError, match="'safety_gate' publishes /safety_gate/state in ROS domain 7"
    ):
        refuse_second_gate(graph)
    assert graph.seconds < found + 3.2


def test_a_gate_that_is_about_to_end_is_waited_for(watched: Any) -> None:
    graph = watched(Graph(("safety_gate", 0.5, 2.5)))

    refuse_second_gate(graph)

    assert 2.5 <= graph.seconds < 2.7


def test_one_that_comes_as_another_leaves_is_refused_too(watched: Any) -> None:
    graph = watched(Graph(("safety_gate", 0.0, 1.5), ("safety_gate", 1.4, 99)))

    with pytest.raises(UserError, match="another stack moves a robot there"):
        refuse_second_gate(graph)
