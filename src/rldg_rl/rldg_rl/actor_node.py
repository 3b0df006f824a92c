# SPDX-License-Identifier: Apache-2.0
"""The actor as a node: the parameters, topics and timers of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import rclpy
from rclpy.node import Node
from std_msgs.msg import String

from rldg_core import contract
from rldg_core.user_error import UserError
from rldg_rl.acting.actor import Actor
from rldg_rl.acting.closed_loop import close_the_loop
from rldg_rl.acting.free_drive import FreeDrive
from rldg_rl.acting.gate_release import GateRelease
from rldg_rl.acting.hands import SpaceMouseHands
from rldg_rl.acting.person_client import PersonClient
from rldg_rl.acting.played_hands import PlayedHands
from rldg_rl.acting.recorder_watch import RecorderWatch
from rldg_rl.acting.run_state import RunState
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.environment.reset_count import ResetLedger
from rldg_rl.episode_witness import EpisodeWitness
from rldg_rl.episodes.announcer import Announcer
from rldg_rl.evaluation.results import RecordFile
from rldg_rl.modes.actor_parameters import DEFAULTS, ActorParameters
from rldg_rl.modes.context import Context
from rldg_rl.modes.loaded_policies import instruct
from rldg_rl.modes.modes import make_mode
from rldg_rl.modes.run_config import settle_config
from rldg_rl.node_channel import NodeChannel
from rldg_rl.own_run import listen_to_own
from rldg_rl.policies.trained_policy import far_policy
from rldg_rl.robot.gate_client import GateClient
from rldg_rl.robot.robot_client import RobotClient
from rldg_rl.run_folder import RunFolder, RunFolderError
from rldg_rl.run_loop import RunLoop
from rldg_rl.waiting import Waiting
from rldg_robot.node_main import run_main
from rldg_robot.publishers import crowd
from rldg_robot.ros import listen_to, make_executor, publish_on

HOW = {"keyboard": " at ./rldg run rldg_robot keyboard_teleop", "spacemouse": "", "gamepad": ""}
"""where a person is, by operator"""


class ActorNode(Node):
    """Puts a run's parts together; `run_loop.RunLoop` leads it."""

    def __init__(self) -> None:
        super().__init__("actor")
        self.parameters = self._read_parameters()
        self.tasks = self.parameters.tasks()
        self.run = RunFolder(Path(self.parameters.run))
        first = next(iter(self.tasks.values()))
        self.robot = RobotClient(self, make_executor(self), first)
        self.waiting = Waiting(self.robot.spin, rclpy.ok, self._announce)
        context = self._make_context()
        self.mode = make_mode(context)
        self._prepare_run(context)
        self.state = RunState(self.run, self.mode.count)
        self.records = RecordFile(self.run.records)
        self.records.mend()
        self.resets = ResetLedger(self.run)
        domain = self.parameters.domain
        wall = self.run.wall_seconds()
        self.announcer = Announcer(NodeChannel(self), self.run, wall, domain, self.resets)
        self.recorder = RecorderWatch(self, self.run)
        self.mode.load()
        for topic, hear in self.mode.topics.items():
            listen_to_own(self, topic, self.run, hear)
        listen_to(self, contract.INSTRUCTION, self._on_instruction)
        self.loop = self._make_loop()

    def _read_parameters(self) -> ActorParameters:
        mode = self.declare_parameter("mode", ActorParameters.mode).value
        defaults = asdict(ActorParameters(**DEFAULTS.get(mode, {})))
        others = {name: value for name, value in defaults.items() if name != "mode"}
        read = {name: self.declare_parameter(name, value).value for name, value in others.items()}
        return ActorParameters(mode=mode, **read)

    def _make_context(self) -> Context:
        return Context(
            parameters=self.parameters,
            tasks=self.tasks,
            run=self.run,
            waiting=self.waiting,
            announce=self._announce,
            log=self.get_logger(),
            publishers=lambda topic: crowd(self, (topic,)),
            far_policy=lambda path, task, execution: far_policy(self, path, task, execution),
        )

    def _prepare_run(self, context: Context) -> None:
        try:
            self.run.prepare()
            self.mode.check()
            settle_config(context, self.mode)
        except (RunFolderError, OSError) as error:
            raise UserError(str(error)) from error

    def _make_loop(self) -> RunLoop:
        given = self.parameters
        gate = GateRelease(
            self.robot,
            GateClient(self, self.robot),
            possible=given.lockstep and not given.moves,
            unattended=given.unattended,
        )
        witness = EpisodeWitness(
            run=self.run,
            domain=given.domain,
            mode=self.mode,
            state=self.state,
            records=self.records,
            resets=self.resets if given.moves else None,
            waiting=self.waiting,
            robot=self.robot,
            recorder=self.recorder,
            gate=gate,
            announcer=self.announcer,
            to_recorder=publish_on(self, contract.STEP),
            to_learner=publish_on(self, contract.TRANSITION),
        )
        person = PersonClient(self, self.waiting.until)
        hands = (
            PlayedHands() if given.unattended else SpaceMouseHands(self, self.robot, given.operator)
        )
        hand = (
            hands if isinstance(hands, SpaceMouseHands) and given.operator != "scripted" else None
        )
        envs = {
            name: RobotEnv(
                self.robot, task, judge=given.jury.judge(task, hands, person), moves=given.moves
            )
            for name, task in self.tasks.items()
        }
        actors = {
            name: Actor(env, hands, witness, helped=self.mode.helped) for name, env in envs.items()
        }
        drives = {name: FreeDrive(env, hand, person) for name, env in envs.items() if hand}
        return RunLoop(
            run=self.run,
            seed=given.seed,
            mode=self.mode,
            state=self.state,
            records=self.records,
            resets=self.resets,
            moves=given.moves,
            waiting=self.waiting,
            robot=self.robot,
            recorder=self.recorder,
            gate=gate,
            announcer=self.announcer,
            log=self.get_logger(),
            close_loop=self._close_loop,
            company=self._company(person, hand),
            actors=actors,
            drives=drives if given.on_request else {},
        )

    def _company(
        self, person: PersonClient, hand: SpaceMouseHands | None
    ) -> list[Callable[[], None]]:
        """Who has to be there before an episode begins."""
        given, company = self.parameters, []
        if given.jury.asks:
            company.append(person.await_somebody)
        if hand is not None:
            whom = f"the {given.operator}{HOW[given.operator]}"
            company.append(lambda: self.waiting.until(lambda: hand.are_there, whom))
        return company

    def _close_loop(self, task: str) -> None:
        moves = self.parameters.moves
        close_the_loop(self, self.robot, self.tasks[task], self.recorder, moves)

    def _announce(self, note: str = "") -> None:
        self.announcer.status(self.state, self.state.progress.source, note)

    def _on_instruction(self, message: String) -> None:
        instruct(self.mode.policies.values(), message.data)


def main() -> None:
    """Entry point."""

    def live() -> None:
        node = ActorNode()
        try:
            node.loop.live()
        finally:
            node.announcer.close()
            node.destroy_node()

    run_main(live)
