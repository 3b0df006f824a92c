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
from rldg_robot.franka_ros2 import interfaces as franka_ros2

NODES = {"twin", "safety_gate", "operator", "recorder", "learner", "actor", "monitor", "viewer"}


@pytest.fixture
def onlooker(domain: int) -> Iterator[Node]:
    rclpy.init()
    node = rclpy.create_node("onlooker")
    yield node
    node.destroy_node()


def spoken(onlooker: Node, name: str, namespace: str = "/") -> set[str]:
    """DDS topics that a node writes to; clients that it made count as well."""
    topics = onlooker.get_publisher_names_and_types_by_node(name, namespace)
    answers = onlooker.get_service_names_and_types_by_node(name, namespace)
    asks = onlooker.get_client_names_and_types_by_node(name, namespace)
    return {
        *(f"rt{topic}" for topic, _ in topics),
        *(f"rr{service}Reply" for service, _ in answers),
        *(f"rq{service}Request" for service, _ in asks),
    }


def test_nodes_do_what_they_have_the_right_to(processes: Processes, onlooker: Node) -> None:
    processes.stack("train_rl", name="watched", viewer="true", machine="robot")
    processes.stack("train_rl", name="watched", machine="gpu", runs="gpu")
    run = processes.folder / "runs" / "watched"
    wait_until((run / "bags" / "demonstration_00000").is_dir, "the first episode")
    there = NODES | {"monitor_gpu"}
    wait_until(lambda: there <= set(onlooker.get_node_names()), "all nodes to be found")
    for name in there:
        rights = ENCLAVES[name]
        said = {f"rt/{topic.name.lstrip('/')}" for topic in rights.says}
        wait_until(partial(_speaks, onlooker, name, said), f"{name} to say {said}")
        assert _beyond(name, spoken(onlooker, name)) == set(), name


def test_the_driver_of_franka_ros2_and_its_simulation_have_the_rights_they_need(
    processes: Processes, onlooker: Node
) -> None:
    for name in ("franka_ros2_simulator", "franka_ros2"):
        processes.node("rldg_robot", name, task="connector/vga")
    simulated = ("franka_ros2_simulator", "/"), (franka_ros2.CONTROLLER, "/franka")
    wanted = {("franka_ros2", "/"), *simulated}
    wait_until(lambda: wanted <= set(onlooker.get_node_names_and_namespaces()), "all nodes")
    target = f"rt/{franka_ros2.TARGET_POSE.name}"
    driver = partial(spoken, onlooker, "franka_ros2")
    wait_until(lambda: target in driver(), "the driver to be known")
    wait_until(lambda: all(spoken(onlooker, *node) for node in simulated), "the simulation")
    assert _beyond("franka_ros2", driver()) == set()
    for node in simulated:
        assert _beyond("franka_ros2_simulator", spoken(onlooker, *node)) == set()


def _beyond(name: str, topics: set[str]) -> set[str]:
    """What a node has no right to write to."""
    allowed = published(name, ENCLAVES[name])
    return {topic for topic in topics if not _fits(topic, allowed)}


def _speaks(onlooker: Node, name: str, topics: set[str]) -> bool:
    return topics <= spoken(onlooker, name)


def _fits(topic: str, expressions: list[str]) -> bool:
    return any(fnmatchcase(topic, expression) for expression in expressions)
