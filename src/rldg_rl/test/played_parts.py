# SPDX-License-Identifier: Apache-2.0
"""The parts of a stack around an actor, played without ROS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from logged import Clock, Logged

from rldg_core.gate_reason import Reason, ReasonCode
from rldg_core.task import load_task
from rldg_core.vocabulary import EpisodeStatus
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.modes.context import Context
from rldg_rl.robot.robot import RobotSilent
from rldg_rl.run_folder import RunFolder
from rldg_rl.waiting import Waiting

VGA = load_task("connector/vga")
WRENCH = Reason(ReasonCode.WRENCH, "external wrench: 60 N")
EMERGENCY_STOP = Reason(ReasonCode.EMERGENCY_STOP, "emergency stop")


class PlayedRobot:
    """Robot and gate as `RobotClient` and `GateClient` know them; time passes where somebody waits."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.gate_comes_at = 0.0
        self.stopped: Reason | None = None
        self.safety = SimpleNamespace(task=VGA.id)
        self.did: list[str] = []
        self.release_at: float | None = None
        """when a person releases the gate"""
        self.waited_for: list[str] = []

    @property
    def hears_gate(self) -> bool:
        return self.clock.now >= self.gate_comes_at

    def spin(self, seconds: float) -> None:
        self.clock.wait(seconds)
        if self.release_at is not None and self.clock.now >= self.release_at:
            self.stopped = None

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        self.waited_for.append(what)
        if not condition():
            self.clock.wait(seconds)
            raise RobotSilent(f"waited {seconds:.0f} s for {what}")

    def reset(self, seed: int, task: str) -> None:
        self.did.append(f"reset to {task}")

    def release(self) -> None:
        self.did.append("released")
        self.stopped = None

    def stop(self) -> None:
        self.did.append("stopped")
        self.stopped = EMERGENCY_STOP


class PlayedRecorder:
    """A recorder that keeps up."""

    def __init__(self) -> None:
        self.open_episode = ""
        self.recorded = 0

    def is_there(self) -> bool:
        return True

    def is_free(self) -> bool:
        return not self.open_episode

    def has(self, episode_id: str, steps: int) -> bool:
        return episode_id == self.open_episode and self.recorded >= steps


class PlayedTopic:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.messages: list[Any] = []

    def publish(self, message: Any) -> None:
        self.messages.append(message)


class PlayedAnnouncer:
    """Keeps what is said."""

    wall_seconds = 1.0
    is_heard = True

    def __init__(self, recorder: PlayedRecorder) -> None:
        self._recorder = recorder
        self.episodes: list[tuple[str, EpisodeStatus]] = []
        self.outcomes: list[str] = []
        self.notes: list[str] = []
        self.attention: list[str] = []
        self.health_of: list[Any] = []

    def episode(self, result: EpisodeResult) -> None:
        self.episodes.append((result.episode_id, result.status))
        self._recorder.open_episode = (
            result.episode_id if result.status is EpisodeStatus.OPEN else ""
        )
        self._recorder.recorded = 0

    def health(self, health: Any) -> None:
        self.health_of.append(health)

    def outcome(self, episode: Any, progress: Any) -> None:
        self.outcomes.append(episode.episode_id)

    def status(
        self,
        state: Any,
        source: str | None,
        note: str = "",
        force: bool = False,
        attention: str = "",
    ) -> None:
        if note:
            self.notes.append(note)
        if attention:
            self.attention.append(attention)


def context(
    folder: Path, clock: Clock | None = None, log: Logged | None = None, **given: Any
) -> Context:
    """Of a run in a folder, with these parameters."""
    clock = clock or Clock()
    parameters = ActorParameters(run=str(folder), **given)
    run = RunFolder(folder)
    run.prepare()
    log = log or Logged()
    return Context(
        parameters=parameters,
        tasks=parameters.tasks(),
        run=run,
        waiting=Waiting(clock.wait, lambda: clock.now < 1000, log.info),
        announce=lambda: log.info("announced"),
        log=log,
        publishers=lambda topic: "",
        far_policy=lambda *_: (_ for _ in ()).throw(AssertionError("nobody is far")),
    )
