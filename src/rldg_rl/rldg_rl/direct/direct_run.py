# SPDX-License-Identifier: Apache-2.0
"""A run in this process: the same actor, mode and loop as in the actor's node, with its neighbours beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from rldg_core import contract
from rldg_core.user_error import UserError
from rldg_msgs.msg import Episode
from rldg_rl.acting.actor import Actor, Hands
from rldg_rl.acting.gate_release import GateRelease
from rldg_rl.acting.played_hands import PlayedHands
from rldg_rl.acting.run_state import RunState
from rldg_rl.agent.learner_setup import LearnerSetup
from rldg_rl.direct.body import DirectBody
from rldg_rl.direct.console_log import ConsoleLog
from rldg_rl.direct.hands import OperatorHands
from rldg_rl.direct.learner import DirectLearner
from rldg_rl.direct.local_channel import LocalChannel
from rldg_rl.direct.recorder import DirectRecorder, mend
from rldg_rl.direct.step_boundary import StepBoundary
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.environment.reset_count import ResetLedger
from rldg_rl.episode_witness import EpisodeWitness
from rldg_rl.episodes.announcer import Announcer
from rldg_rl.evaluation.results import RecordFile
from rldg_rl.learner_config import MEMORY
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.modes.context import Context
from rldg_rl.modes.modes import make_mode
from rldg_rl.modes.run_config import settle_config
from rldg_rl.modes.train import Train
from rldg_rl.monitor_screen import MonitorScreen
from rldg_rl.run_folder import RunFolder
from rldg_rl.run_loop import RunLoop
from rldg_rl.waiting import Waiting


@dataclass(frozen=True)
class LearnerBeginning:
    """What a learner is made of and begins with, beside what the actor knows."""

    init: str = ""
    """another run's checkpoint; empty: none"""
    prior: tuple[Path, ...] = ()
    """other runs, whose episodes are learned from"""
    demos_first: bool = False
    """whether it learns from demonstrations before the first training step"""
    buffer: str = MEMORY
    """where images are kept"""


class DirectRun:
    """Puts a run's parts together; `run_loop.RunLoop` leads it."""

    def __init__(
        self,
        parameters: ActorParameters,
        beginning: LearnerBeginning,
        show: Callable[[RunFolder], MonitorScreen] = MonitorScreen,
    ) -> None:
        """Check everything, and mend what a kill left open.

        Args:
            parameters: of the actor; `moves`, `real`, `apart` and rewards but the twin's are not for this.
            beginning: of the learner, where the mode has one.
            show: makes the view that people have of it.

        Raises:
            UserError: nobody can do what is wanted, or the folder belongs to another run or cannot be written.
        """
        torch.set_num_threads(1)  # small networks: more threads only wait for each other
        self.parameters = parameters
        self._beginning = beginning
        self.tasks = parameters.tasks()
        self.run = RunFolder(Path(parameters.run))
        self.channel = LocalChannel()
        self.screen = show(self.run)
        self._log = ConsoleLog(self.screen.console)
        mend(self.run, self._log)
        self.recorder = DirectRecorder(self.run, self.channel)
        self._boundary = StepBoundary()
        self.body = DirectBody(self.tasks, self.channel, parameters.randomize)
        self.body.before_acting = self._boundary.reached
        self._waiting = Waiting(self.body.spin, lambda: True, self._announce)
        context = self._context()
        self.mode = make_mode(context)
        self.mode.check()
        settle_config(context, self.mode)
        self.state = RunState(self.run, self.mode.count)
        self._listen()
        self.mode.load()
        self.loop = self._loop()
        self.learner = self._learner()

    def live(self) -> None:
        """Lead the run to its end; whatever ends it, what was learned is kept.

        Raises:
            UserError: it cannot go on without a person.
        """
        try:
            with self._boundary.heeded():
                self.loop.live()
        finally:
            self.close()

    def close(self) -> None:
        """Close files, and give the terminal back."""
        self.recorder.close()
        if self.learner:
            self.learner.close()
        self.loop.announcer.close()
        self.body.close()
        self.screen.close()

    def _context(self) -> Context:
        return Context(
            parameters=self.parameters,
            tasks=self.tasks,
            run=self.run,
            waiting=self._waiting,
            announce=self._announce,
            log=self._log,
            publishers=lambda _: "",
            far_policy=no_other_machine,
        )

    def _listen(self) -> None:
        for topic, hear in self.mode.topics.items():
            self.channel.listen(topic, hear)
        self.channel.listen(contract.EPISODE, self._mark)
        self.channel.listen(contract.RUN_STATUS, self.screen.hear_run)
        self.channel.listen(contract.LEARNER_STATUS, self.screen.hear_learner)
        self.channel.listen(contract.SAFETY_STATE, self.screen.hear_gate)
        for topic in (contract.RUN_STATUS, contract.LEARNER_STATUS):
            self.channel.listen(topic, lambda _: self.screen.draw_again())

    def _mark(self, episode: Episode) -> None:
        opens = episode.status == Episode.OPEN
        (self._boundary.begin if opens else self._boundary.end)()

    def _hands(self) -> Hands:
        given = self.parameters
        if given.unattended:
            return PlayedHands()
        return OperatorHands(next(iter(self.tasks.values())), given.seed, self.channel)

    def _loop(self) -> RunLoop:
        given = self.parameters
        resets, records = ResetLedger(self.run), RecordFile(self.run.records)
        records.mend()
        wall = self.run.wall_seconds()
        announcer = Announcer(self.channel, self.run, wall, given.domain, resets)
        gate = GateRelease(self.body, self.body, possible=True, unattended=given.unattended)
        witness = EpisodeWitness(
            run=self.run,
            domain=given.domain,
            mode=self.mode,
            state=self.state,
            records=records,
            resets=None,
            waiting=self._waiting,
            robot=self.body,
            recorder=self.recorder,
            gate=gate,
            announcer=announcer,
            to_recorder=self.channel.publisher(contract.STEP),
            to_learner=self.channel.publisher(contract.TRANSITION),
        )
        hands = self._hands()
        return RunLoop(
            run=self.run,
            seed=given.seed,
            mode=self.mode,
            state=self.state,
            records=records,
            resets=resets,
            moves=False,
            waiting=self._waiting,
            robot=self.body,
            recorder=self.recorder,
            gate=gate,
            announcer=announcer,
            log=self._log,
            close_loop=self.body.stand_still,
            company=[],
            actors={
                name: Actor(RobotEnv(self.body, task), hands, witness, helped=self.mode.helped)
                for name, task in self.tasks.items()
            },
            drives={},
        )

    def _learner(self) -> DirectLearner | None:
        if not isinstance(self.mode, Train):
            return None
        given, begins = self.parameters, self._beginning
        (task,) = self.tasks.values()
        learner = DirectLearner(
            LearnerSetup(
                task, self.run, given.seed, given.observation, given.encoder, begins.buffer
            ),
            self.mode.learned,
            self.state,
            self.channel,
            self._log,
            init=begins.init,
            prior=tuple(RunFolder(path) for path in begins.prior),
            demos_first=begins.demos_first,
        )
        self.body.while_waiting = learner.work
        return learner

    def _announce(self, note: str = "") -> None:
        self.loop.announcer.status(self.state, self.state.progress.source, note)


def no_other_machine(*_: object) -> NoReturn:
    """There is no student on another machine.

    Raises:
        UserError: always.
    """
    raise UserError("transport:=direct is one process: there is no other machine")
