# SPDX-License-Identifier: Apache-2.0
"""One of several processes that collect side by side: it runs the episodes that it is given, a bag each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.commands.console import plain_console
from rldg_core.vocabulary import Source
from rldg_msgs.msg import Step
from rldg_rl.acting.actor import Actor, EpisodeAborted, GateStop, Hands
from rldg_rl.acting.gate_release import GateRelease
from rldg_rl.acting.played_hands import PlayedHands
from rldg_rl.acting.schedule import episode_seed
from rldg_rl.direct.body import DirectBody
from rldg_rl.direct.console_log import ConsoleLog
from rldg_rl.direct.direct_run import no_other_machine
from rldg_rl.direct.hands import OperatorHands
from rldg_rl.direct.local_channel import LocalChannel
from rldg_rl.direct.recorder import DirectRecorder
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episode_witness import closed_summary
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.messages import episode_message
from rldg_rl.episodes.step import ControlStep, step_message
from rldg_rl.episodes.trial import Trial
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.modes.collect import Collect
from rldg_rl.modes.context import Context
from rldg_rl.run_folder import RunFolder
from rldg_rl.waiting import Waiting


def collect_episode(job: Trial, parameters: ActorParameters) -> Iterator[EpisodeSummary]:
    """What an episode came to, once its bag is closed; `pool.Work`.

    Raises:
        UserError: a policy cannot be read or does not fit its task, or nothing can be recorded.
    """
    yield _member(parameters).run(job)


@cache
def _member(parameters: ActorParameters) -> CrewMember:
    """Policies and twins are made once in a process."""
    return CrewMember(parameters)


class CrewMember:
    """Robots, policies and a recorder; witness of its own actors."""

    def __init__(self, parameters: ActorParameters) -> None:
        """Load the policies.

        Args:
            parameters: of the collection.

        Raises:
            UserError: one cannot be read, or does not fit its task.
        """
        torch.set_num_threads(1)  # the processes share the cores
        self._parameters = parameters
        self._tasks = parameters.tasks()
        self._channel = LocalChannel()
        self._body = DirectBody(self._tasks, self._channel, parameters.randomize)
        self._gate = GateRelease(
            self._body, self._body, possible=True, unattended=parameters.unattended
        )
        self._recorder = DirectRecorder(RunFolder(Path(parameters.run)), self._channel)
        self._mode = Collect(self._context())
        self._mode.load()
        self._body.stand_still(next(iter(self._tasks)))
        self._leader = os.getppid()

    def _context(self) -> Context:
        return Context(
            parameters=self._parameters,
            tasks=self._tasks,
            run=RunFolder(Path(self._parameters.run)),
            waiting=Waiting(self._body.spin, lambda: True, lambda _: None),
            announce=lambda: None,
            log=ConsoleLog(plain_console(stderr=True)),
            publishers=lambda _: "",
            far_policy=no_other_machine,
        )

    def run(self, job: Trial) -> EpisodeSummary:
        """An episode, as a collection in one process has it. Only a person who is played draws anew in each: from its
        seed, lest it depend on who ran which episode before.
        """
        source, task = self._parameters.source, self._tasks[job.task]
        seed = episode_seed(self._parameters.seed, source, job.number)
        hands: Hands = PlayedHands()
        if not self._parameters.unattended:
            hands = OperatorHands(task, [self._parameters.seed, job.number], self._channel)
        if self._body.stopped:
            self._body.release()
        actor = Actor(RobotEnv(self._body, task), hands, self, helped=self._mode.helped)
        with suppress(EpisodeAborted):  # its bag says so
            actor.run_episode(
                f"{source}_{job.number:05d}",
                source,
                seed,
                self._mode.leader(source, job.task),
                deterministic=self._mode.deterministic,
            )
        if isinstance(hands, OperatorHands):
            hands.leave()
        return self._summary

    # What the actor tells (see actor.Witness)

    def opened(self, result: EpisodeResult) -> None:
        """The bag begins."""
        self._publish(result)

    def before_step(self) -> None:
        """Look at the gate, as `EpisodeWitness.before_step` does, and at who leads: a kill of theirs ends this, too."""
        if os.getppid() != self._leader:
            sys.exit(1)
        if stop := self._body.stopped:
            alone = self._gate.is_alone(Source(self._parameters.source))
            failed = alone and self._gate.stopped_for_wrench()
            kind = GateStop if failed else EpisodeAborted
            raise kind(f"the safety gate stopped the arm: {stop}")

    def after_step(self, step: ControlStep) -> None:
        """It is on disk when this returns."""
        self._channel.publish(contract.STEP, step_message(step, Step()))

    def closed(self, result: EpisodeResult) -> None:
        """The bag is closed."""
        self._publish(result)
        self._summary = closed_summary(result, self._parameters.domain)

    def _publish(self, result: EpisodeResult) -> None:
        message = episode_message(result, self._channel.now(), self._parameters.domain)
        self._channel.publish(contract.EPISODE, message)
