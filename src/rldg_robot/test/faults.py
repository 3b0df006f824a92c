# SPDX-License-Identifier: Apache-2.0
"""A gate between a policy that circles and an arm that follows, in simulated time, and what may go wrong around it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from rldg_core.message_values import SECOND
from rldg_core.poses import Pose
from rldg_core.task import load_task
from rldg_robot.safety import Gate, GateState
from rldg_robot.safety_gate_node import WATCH_PERIOD

TASK = load_task("connector/vga")
MS = SECOND // 1000
TICK = 10 * MS
PERIOD = round(TASK.period * SECOND)
START = 1000 * SECOND
SOUND = 2 * SECOND
"""[ns] before the fault"""
FAULTY = 2 * SECOND
"""[ns] that is watched from there on"""
STEP = 1.75 * TASK.action_scale.translation
"""[m] from the measured pose that a target may be at most"""
RADIUS, TURN = 0.02, 2.0
"""[m], [rad/s] of the circle"""
EVERY = {"state": TICK, "wrench": TICK, "image": 3 * TICK, "target": PERIOD}
"""[ns] between two messages of a stream"""


@dataclass
class Message:
    """One of any stream."""

    stamp: int
    value: Any = None
    frame: str = "base"


Tamper = Callable[[Message], "list[tuple[int, Message]]"]
"""what becomes of a message: what arrives instead, each so many ns later"""


def _on_circle(time: int) -> Pose:
    """Where the policy wants the TCP at that time [ns]."""
    angle = TURN * (time - START) / SECOND
    circle = RADIUS * np.array([math.cos(angle), math.sin(angle), 1.0])
    return replace(TASK.goal_pose, position=TASK.goal_pose.position + circle)


@dataclass
class World:
    """Everything about the gate, as `safety_gate_node` puts it together."""

    gate: Gate = field(default_factory=lambda: Gate(TASK))
    time: int = START
    clock_error: int = 0
    """[ns] that the gate's clock is ahead of the stamps'"""
    tampers: dict[str, Tamper] = field(default_factory=dict)
    arm: Pose = field(default_factory=lambda: _on_circle(START))
    guided: Pose | None = None
    """where somebody's hand has the arm"""
    driven: Pose | None = None
    """what the driver was told last"""
    changed: int = 0
    """[ns] when that last became something else"""
    farthest: float = 0.0
    """[m] that a target that passed was ever outside of the box"""
    creeping: float = 0.0
    """[m] that a hold was ever away from the measured pose"""
    _under_way: list[tuple[int, str, Message]] = field(default_factory=list)
    _waiting: Message | None = None

    def run(self, until: int) -> None:
        """Live to that time."""
        while self.time < until:
            self.time += TICK
            for stream, message in self._said():
                tamper = self.tampers.get(stream, lambda message: [(0, message)])
                self._under_way += [(self.time + late, stream, m) for late, m in tamper(message)]
            due = [each for each in self._under_way if each[0] <= self.time]
            self._under_way = [each for each in self._under_way if each[0] > self.time]
            for _, stream, message in due:
                self._arrive(stream, message)
            watches = self.time % round(WATCH_PERIOD * SECOND) == 0
            if watches and self.gate.watch(self.now) is not None:
                self._drive(self.gate.hold_pose)
            if self.gate.state is GateState.STOPPED:
                self._drive(self.gate.hold_pose)
            if self.guided is not None:
                self.arm = self.guided
            elif self.driven is not None:
                way = 0.3 * (self.driven.position - self.arm.position)
                self.arm = replace(self.arm, position=self.arm.position + way)

    @property
    def now(self) -> int:
        return self.time + self.clock_error

    def _said(self) -> Iterator[tuple[str, Message]]:
        """What driver, camera and policy publish at this moment."""
        values: dict[str, Any] = {"state": self.arm, "wrench": np.zeros(6)}
        for stream, every in EVERY.items():
            if self.time % every == 0:
                value = _on_circle(self.time) if stream == "target" else values.get(stream)
                yield stream, Message(self.time, value)

    def _arrive(self, stream: str, message: Message) -> None:
        if stream == "state":
            self.gate.on_state(message.stamp, message.value)
            if self._waiting is not None:
                waiting, self._waiting = self._waiting, None
                self._arrive("target", waiting)
        elif stream == "wrench":
            self.gate.on_wrench(message.stamp, message.value)
        elif stream == "image":
            self.gate.on_image(message.stamp)
        elif not self.gate.knows_state_of(message.stamp):
            self._waiting = message
        else:
            now = self.gate.moment(self.now)
            decision = self.gate.command(message.stamp, message.frame, message.value, now)
            self._drive(decision.target, decision.passed)

    def _drive(self, target: Pose, passed: bool = False) -> None:
        moved = self.driven is None or not np.array_equal(self.driven.position, target.position)
        self.changed = self.time if moved else self.changed
        self.driven = target
        if not passed:
            assert self.gate.pose is not None
            away = float(np.linalg.norm(target.position - self.gate.pose.position))
            self.creeping = max(self.creeping, away)
            return
        off = target.position - TASK.goal_pose.position
        beyond = np.maximum(np.subtract(TASK.box.lower, off), np.subtract(off, TASK.box.upper))
        self.farthest = (
            max(self.farthest, float(beyond.max())) if np.isfinite(off).all() else np.inf
        )


@dataclass(frozen=True)
class Outcome:
    """What came of a fault."""

    state: GateState
    periods: int | None
    """control periods until the target of the driver was the same for good; None: it goes on"""
    clamped: bool
    reason: str


def outcome_of(fault: Callable[[World], None]) -> Outcome:
    """Inject it into a world that is sound, and watch."""
    world = World()
    world.run(START + SOUND)
    assert world.gate.state is GateState.PASS and world.gate.clamped == 0, "not sound before"
    fault(world)
    world.run(START + SOUND + FAULTY)
    assert world.farthest < 1e-9, "a target out of the box, or none at all, reached the driver"
    assert world.creeping < STEP, "a hold is where the arm is, not where it should be"
    held = world.changed <= START + SOUND + FAULTY - SECOND // 2
    took = max(world.changed - START - SOUND, 0)
    return Outcome(
        world.gate.state,
        -(-took // PERIOD) if held else None,
        world.gate.clamped > 0,
        world.gate.reason.text,
    )


# Ways of tampering with a stream.


def silent(stream: str) -> Callable[[World], None]:
    """Nothing of it arrives any more."""
    return lambda world: world.tampers.update({stream: lambda _: []})


def late(stream: str, milliseconds: int) -> Callable[[World], None]:
    """All of it arrives later."""
    return lambda world: world.tampers.update({stream: lambda m: [(milliseconds * MS, m)]})


def altered(stream: str, **values: Any) -> Callable[[World], None]:
    """Something of its messages is something else."""
    return lambda world: world.tampers.update({stream: lambda m: [(0, replace(m, **values))]})


def changed(stream: str, change: Callable[[Any], Any]) -> Callable[[World], None]:
    """Its values are changed."""

    def tamper(message: Message) -> list[tuple[int, Message]]:
        return [(0, replace(message, value=change(message.value)))]

    return lambda world: world.tampers.update({stream: tamper})


def repeated(stream: str, times: int, apart: int = 0) -> Callable[[World], None]:
    """Every message arrives so many times, so many ns apart."""
    return lambda world: world.tampers.update(
        {stream: lambda m: [(n * apart, m) for n in range(times)]}
    )


def swapped(stream: str) -> Callable[[World], None]:
    """Every other message arrives after the one that follows it."""

    def tamper(message: Message) -> list[tuple[int, Message]]:
        odd = message.stamp // EVERY[stream] % 2
        return [(EVERY[stream] + TICK if odd else 0, message)]

    return lambda world: world.tampers.update({stream: tamper})


def stuck(stream: str) -> Callable[[World], None]:
    """The last message comes again and again."""

    def inject(world: World) -> None:
        last = Message(world.time, world.arm if stream == "state" else np.zeros(6))
        world.tampers[stream] = lambda _: [(0, last)]

    return inject


def guided(offset: list[float], turn: list[float]) -> Callable[[World], None]:
    """Somebody's hand puts the arm there, from the goal [m, rad]."""
    place = TASK.goal_pose @ Pose.from_rotvec(np.zeros(3), turn)
    pose = replace(place, position=place.position + offset)
    return lambda world: setattr(world, "guided", pose)


def crowded(topic: str) -> Callable[[World], None]:
    """Another node publishes a topic of the driver, and the gate's node has noticed."""
    who = f"{topic} has 2 publishers, also /intruder: stop it, or wait 20 s where it was killed"
    return lambda world: setattr(world.gate, "rivals", who)
