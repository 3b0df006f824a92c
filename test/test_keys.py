# SPDX-License-Identifier: Apache-2.0
"""The rights of the enclaves beside what the nodes of a running stack do."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import partial

import pytest
import rclpy
from harness import Processes, wait_until
from rclpy.node import Node

from rldg_robot.enclaves import ENCLAVES, published

NODES = {"twin", "safety_gate", "operator", "recorder", "learner", "actor", "monitor", "viewer"}


@pytest.fixture
def onlooker(domain: int) -> Iterator[Node]:
    rclpy.init()
    node = rclpy.create_node("onlooker")
    yield node
    node.destroy_node()


def spoken(onlooker: Node, name: str) -> set[str]:
    """DDS topics that a node writes to; clients that it made count as well."""
    topics = onlooker.get_publisher_names_and_types_by_node(name, "/")
    answers = onlooker.get_service_names_and_types_by_node(name, "/")
    asks = onlooker.get_client_names_and_types_by_node(name, "/")
    return {
        *(f"rt{topic}" for topic, _ in topics),
        *(f"rr{service}Reply" for service, _ in answers),
        *(f"rq{service}Request" for service, _ in asks),
    }


@pytest.mark.timeout(120)
def test_nodes_do_what_they_have_the_right_to(processes: Processes, onlooker: Node) -> None:
    processes.stack("train_rl", name="watched", viewer="true", machine="robot")
    processes.stack("train_rl", name="watched", machine="gpu", runs="gpu")
    run = processes.folder / "runs" / "watched"
    wait_until((run / "bags" / "demonstration_00000").is_dir, 60, "the first episode")
    there = NODES | {"monitor_gpu"}
    wait_until(lambda: there <= set(onlooker.get_node_names()), 20, "all nodes to be found")
    for name in there:
        rights = ENCLAVES[name]
        said = {f"rt/{topic.name.lstrip('/')}" for topic in rights.says}
        wait_until(partial(_speaks, onlooker, name, said), 20, f"{name} to say {said}")
        allowed = published(name, rights)
        assert {t for t in spoken(onlooker, name) if not _fits(t, allowed)} == set(), name


def _speaks(onlooker: Node, name: str, topics: set[str]) -> bool:
    return topics <= spoken(onlooker, name)


def _fits(topic: str, expressions: list[str]) -> bool:
    return any(fnmatchcase(topic, expression) for expression in expressions)
