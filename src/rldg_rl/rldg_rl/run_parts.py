# SPDX-License-Identifier: Apache-2.0
"""The parts of a stack as a run meets them: nodes that are heard over topics, or objects of this process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from rldg_core.contract import Topic
from rldg_rl.robot.robot import Robot


class Publisher(Protocol):
    """Of one topic, as rclpy has it."""

    def publish(self, message: Any) -> None:
        """Send a message."""

    def get_subscription_count(self) -> int:
        """How many listen."""


class TopicChannel(Protocol):
    """Where messages of the contract are sent."""

    def publisher(self, topic: Topic) -> Publisher:
        """Of a topic."""

    def now(self) -> int:
        """ROS time [ns]."""


class WaitingRobot(Robot, Protocol):
    """A robot, its gate, and what happens while somebody waits for them."""

    @property
    def safety(self) -> Any:
        """What the gate said last, as rldg_msgs/SafetyState."""

    @property
    def hears_gate(self) -> bool:
        """Whether the gate has said anything yet."""

    def spin(self, seconds: float) -> None:
        """Handle what arrives within some wall time."""

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Spin until a condition holds.

        Raises:
            RobotSilent: it does not within `seconds` of wall time.
        """


class Recorder(Protocol):
    """Whoever writes the bags. Every question raises UserError once nothing can be recorded."""

    def is_there(self) -> bool:
        """Whether it has begun, and mended what a kill left open."""

    def is_free(self) -> bool:
        """Whether it is there and has no episode open."""

    @property
    def open_episode(self) -> str:
        """The episode whose bag is open; empty if none is."""

    def has(self, episode_id: str, steps: int) -> bool:
        """Whether so many steps of the open episode are on disk."""


class GateSwitch(Protocol):
    """The safety gate's stop and release."""

    def release(self) -> None:
        """After a stop, where no person has to look at the arm first."""

    def stop(self) -> None:
        """Stop the arm until a person has seen to it."""
