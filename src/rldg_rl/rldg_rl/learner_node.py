# SPDX-License-Identifier: Apache-2.0
"""The learner as a node: transitions in, weights out.

It rebuilds itself from checkpoint and bags, so that it can be killed at any moment.
"""

from __future__ import annotations

import array
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import rclpy
import torch
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

from rldg_core import contract
from rldg_core.bags.bag_reader import is_complete
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.event_file import EventFile
from rldg_core.files.picture import BadPicture
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_msgs.msg import (
    EncoderWeights,
    LearnerStatus,
    PolicyWeights,
    RecorderStatus,
    RunStatus,
    Transition,
)
from rldg_rl.acting.schedule import DONE, PHASES
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.checkpoint import (
    CheckpointError,
    encoder_to_bytes,
    load_learner,
    policy_to_bytes,
    save_learner,
    save_policy,
)
from rldg_rl.agent.learner import Learner
from rldg_rl.agent.policy import GaussianPolicy
from rldg_rl.agent_config import agent_config
from rldg_rl.episodes.bag import recorded_steps, source_of, stored_steps
from rldg_rl.episodes.bag_exchange import BagTaker
from rldg_rl.episodes.replay_buffer import ReplayBuffer
from rldg_rl.episodes.step import StoredStep, received_step
from rldg_rl.learner_config import DEMOS, DISK, MEMORY, LearnerConfig
from rldg_rl.own_run import listen_to_own
from rldg_rl.robot.observation import state_dim
from rldg_rl.run_folder import RunError, RunFolder
from rldg_rl.vision.backbones import BackboneError
from rldg_rl.vision.encoder_training import UPDATES, train_encoder
from rldg_rl.vision.encoders import make_encoder
from rldg_rl.vision.image_encoder import Encoder, ImageEncoder, encoded
from rldg_rl.vision.pixels import IMAGE_SIZE, VARIANTS
from rldg_rl.vision.scratch_encoder import ScratchEncoder, unseen
from rldg_robot.node_main import run_main
from rldg_robot.publishers import count, crowd
from rldg_robot.ros import make_executor, now, publish_on, to_stamp

IDLE_SECONDS = 0.02
PATIENCE = 3.0  # [s] of wall time in training without a step, until it says that it waits
SAVE_AFTER = 0.5  # [s] without work, as at the end of training
STATUS_PERIOD = 0.2  # [s] of wall time
LOG_EVERY = 100  # updates
CALLBACKS_PER_ROUND = 8


class LearnerNode(Node):
    """Plumbing around learner.Learner."""

    def __init__(self) -> None:
        super().__init__("learner")
        self.task = load_task(self.declare_parameter("task", "connector/vga").value)
        self.seed = seed = int(self.declare_parameter("seed", 0).value)
        self.run = RunFolder(Path(self.declare_parameter("run", "runs/unnamed").value))
        self.init = str(self.declare_parameter("init", "").value)
        prior = str(self.declare_parameter("prior", "").value)
        self.prior = [RunFolder(Path(run)) for run in prior.split(",") if run]
        self.apart = bool(self.declare_parameter("apart", False).value)
        self.demos_first = bool(self.declare_parameter("demos_first", False).value)
        torch.set_num_threads(1)  # the other core belongs to the robot
        learner_config = LearnerConfig()
        observation = self.declare_parameter("observation", "state").value
        name = self.declare_parameter("encoder", DEMOS).value
        self.encoder = self._make_encoder(name) if observation == "image" else None
        encoder = self.encoder
        pupil = self.pupil = encoder if isinstance(encoder, ScratchEncoder) else None
        on_disk = self.declare_parameter("buffer", MEMORY).value == DISK
        observation_dim = encoder.output_dim if encoder else state_dim(self.task)
        action_dim = self.task.action_dim
        self.learner = Learner(
            Agent(
                agent_config(self.task, learns_to_see=pupil is not None),
                observation_dim,
                action_dim,
                seed,
                self.task.grasp_penalty if self.task.learns_gripper else None,
                encoder.tensors if encoder else None,
                pupil,
            ),
            self._make_buffer(learner_config.capacity, observation_dim, on_disk),
            learner_config,
            seed,
            look=self._look if encoder else None,
        )
        self._executor = make_executor(self)
        self._taker = BagTaker(self, self._executor, self.run) if self.apart else None
        self._recorder_is_there = False
        self._run_status = RunStatus()
        self._note = ""
        self._waiting: list[StoredStep] = []
        self._ready = False
        self._published = -1
        self._saved = -1
        self._logged = 0
        self._idle_since = self._step_heard = time.monotonic()
        self._status_told = 0.0
        self._weights = publish_on(self, contract.POLICY_WEIGHTS)
        self._sight = publish_on(self, contract.ENCODER_WEIGHTS)
        self._status = publish_on(self, contract.LEARNER_STATUS)
        listen_to_own(self, contract.TRANSITION, self.run, self._on_transition)
        listen_to_own(self, contract.RECORDER_STATUS, self.run, self._on_recorder)
        listen_to_own(self, contract.RUN_STATUS, self.run, self._on_run)
        self.board = EventFile(self.run.tensorboard / "learner")

    def _make_encoder(self, name: str) -> Encoder:
        self._variants = torch.Generator().manual_seed(self.seed)
        try:
            return make_encoder(name, self.task, self.seed)
        except BackboneError as error:
            raise UserError(str(error)) from error

    def _make_buffer(self, capacity: int, observation_dim: int, on_disk: bool) -> ReplayBuffer:
        pupil, variants = self.pupil, VARIANTS if isinstance(self.encoder, ImageEncoder) else 1
        try:
            self.run.prepare()
            return ReplayBuffer(
                capacity,
                pupil.body_dim if pupil else observation_dim,
                self.task.action_dim,
                variants,
                IMAGE_SIZE if pupil else 0,
                self.run.path if on_disk else None,
            )
        except RunError as error:
            raise UserError(str(error)) from error
        except OSError as error:
            raise UserError(
                f"no room in {self.run.path} for the images of {capacity} frames, "
                f"{3 * IMAGE_SIZE**2 * capacity / 1e9:.1f} GB ({error.strerror}): make room, or leave buffer:=disk out"
            ) from error

    def _look(self, step: StoredStep) -> StoredStep:
        if self.pupil is not None:
            return unseen(step, self.task)
        assert isinstance(self.encoder, ImageEncoder)
        return encoded(step, self.encoder, self.task, self._variants)

    @property
    def _is_blind(self) -> bool:
        """It has to learn to see first; what it cannot look at yet, it will find in the bags."""
        return isinstance(self.encoder, ImageEncoder) and not self.encoder.is_trained

    def _on_transition(self, message: Transition) -> None:
        self._step_heard = time.monotonic()
        try:
            step = self._for_task(received_step(message))
        except BadPicture as error:
            self.get_logger().error(f"a step was dropped: {error}", throttle_duration_sec=5.0)
            return
        seen = (step.observation, step.next_observation)
        sizes = sorted({len(each) for each in seen if each is not None})
        if sizes != [state_dim(self.task)]:
            has = " and ".join(map(str, sizes))
            fault = f"it has {has} numbers, and the state of {self.task.id} {state_dim(self.task)}"
            self.get_logger().error(f"a step was dropped: {fault}", throttle_duration_sec=5.0)
            return
        if (step.image is None) != (self.encoder is None):
            self._mistaken(
                contract.TRANSITION, "the actor and this learner were given another observation:="
            )
            return
        if self._is_blind:
            return
        if self._ready:
            self.learner.take_in(step)
        else:
            self._waiting.append(step)

    def _on_run(self, message: RunStatus) -> None:
        if message.task != self.task.id:
            fault = f"the actor does {message.task[:80]!r}, this learner learns {self.task.id}"
            self._mistaken(contract.RUN_STATUS, fault)
            return
        self._run_status = message

    def _mistaken(self, topic: contract.Topic, fault: str) -> None:
        """Somebody was started with other arguments; of two who speak, nobody knows which is this run's actor.

        Raises:
            UserError: nobody else speaks.
        """
        if count(self, topic) > 1:
            told = crowd(self, (topic,))
            self.get_logger().error(f"{fault}; but {told}", throttle_duration_sec=5.0)
            return
        raise UserError(f"{fault}: start both machines with the same arguments")

    def _on_recorder(self, _: RecorderStatus) -> None:
        self._recorder_is_there = True

    def _for_task(self, step: StoredStep) -> StoredStep:
        """Only the action dimensions that are learned."""
        return StoredStep(**{**vars(step), "action": step.action[: self.task.action_dim]})

    def live(self) -> None:
        """Learn until shutdown; then leave a checkpoint."""
        try:
            self._restore()
            while rclpy.ok() and not self._is_over:
                self._round()
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        finally:
            if self._ready and self.learner.updates > self._saved:
                self._save()
            self.board.close()

    @property
    def _is_over(self) -> bool:
        """The run has ended on another machine, and nobody here would end this node."""
        return self.apart and self._run_status.phase == DONE

    def _restore(self) -> None:
        # The recorder speaks once it has mended the bags that a kill left open.
        while rclpy.ok() and not self._recorder_is_there:
            self._executor.spin_once(timeout_sec=0.1)
        self._fetch()
        self._load()
        if isinstance(self.encoder, ImageEncoder) and self._is_blind:
            self._learn_to_see(self.encoder)
        self._take_in_prior()
        if self.demos_first:
            self._await_demonstrations()
        self._take_in_all_so_far()
        if (self.prior or self.demos_first) and not self.run.learner_checkpoint.is_file():
            self.learner.learn_from_prior(self._tell_prior)
            self._note = ""
        self._ready = True
        for step in self._waiting:
            self.learner.take_in(step)
        self._waiting.clear()
        if self.encoder is not None:
            self._publish_encoder()
        self._publish_weights()

    def _fetch(self) -> list[Path]:
        """The bags that only another machine has so far."""
        new = self._taker.fetch(self._tell_fetched) if self._taker else []
        self._note = ""
        return new

    def _tell_fetched(self, bags: int) -> None:
        self._note = f"fetching the bags of the other machine, {bags} so far"
        self._tell_status()

    def _closed_bags(self) -> list[Path]:
        return [bag for bag in self.run.own_bags() if is_complete(bag)]

    def _take_in_own(self, bags: Iterable[Path]) -> None:
        """Episodes of this run."""
        for bag in sorted(bags):
            for step in self._stored_steps(bag):
                self.learner.take_in(self._for_task(step))

    def _stored_steps(self, bag: Path) -> Iterator[StoredStep]:
        """Those of a bag, as far as it can be read; nothing is learned from an evaluation."""
        try:
            if source_of(bag) != Source.EVALUATION:
                yield from stored_steps(bag, self.task, looks=self.encoder is not None)
        except (OSError, ValueError) as error:
            self.get_logger().warning(f"nothing more is learned from {bag}: {error}")

    def _take_in_all_so_far(self) -> None:
        self._fetch()
        self._take_in_own(self.run.own_bags())
        if self.learner.buffer.steps_received:
            self.get_logger().info(
                f"resumed: {self.learner.updates} updates, "
                f"{self.learner.buffer.steps_received} steps from the bags"
            )

    def _take_in_prior(self) -> None:
        """Other runs' episodes. Their folders may be called anything: names of episodes here neither begin with it nor
        tell them apart by it.
        """
        for number, run in enumerate(self.prior):
            self._take_in_all(run, f"prior{number}")

    def _take_in_all(self, run: RunFolder, prefix: str) -> None:
        """Another run's episodes as what others did: they are drawn like demonstrations, whoever acted in them."""
        before = self.learner.buffer.steps_received
        for episode in run.episodes():
            if episode.source == Source.EVALUATION or episode.status == EpisodeStatus.ABORTED:
                continue
            if episode.source == Source.RELABELLED:
                raise UserError(
                    f"the actions in {run.path} are relabelled: its states followed from others, so that nothing can "
                    "be learned from them here; give prior:= the run that it was made of"
                )
            if load_task(episode.task).family != self.task.family:
                raise UserError(
                    f"{run.path.name} did {episode.task}: a specialist for {self.task.id} learns from "
                    f"runs of {self.task.family} alone"
                )
            bag = run.bags / episode.episode_id
            for step in self._stored_steps(bag):
                # Not an episode of this run, and none of its training steps.
                name = f"{prefix}/{step.episode_id}"
                self.learner.take_in(
                    replace(
                        self._for_task(step),
                        episode_id=name,
                        executed_by=ExecutedBy.DEMONSTRATION,
                        source="",
                    )
                )
        steps = self.learner.buffer.steps_received - before
        if not steps:
            raise UserError(
                f"{run.path} has no episode to learn from: prior:= takes runs with bags"
            )
        self.get_logger().info(f"{steps} steps of {run.path.name} to begin with")

    def _load(self) -> None:
        """The run's own checkpoint, or the one to begin with."""
        agent = self.learner.agent
        try:
            if self.run.learner_checkpoint.is_file():
                load_learner(self.run.learner_checkpoint, agent, self.task.id)
            elif self.init:
                info = load_learner(Path(self.init), agent, None)
                agent.updates = 0
                self.get_logger().info(f"begins with what was learned of {info.task}: {self.init}")
        except CheckpointError as error:
            raise UserError(str(error)) from error

    def _learn_to_see(self, encoder: ImageEncoder) -> None:
        """Train it once all demonstrations are there."""
        self._await_demonstrations()
        demonstrations = [
            [step for step in recorded_steps(bag, self.task, looks=True) if step.handed_over]
            for bag in self.run.succeeded(Source.DEMONSTRATION)
        ]
        threads = torch.get_num_threads()
        torch.set_num_threads(os.cpu_count() or 1)  # the robot stands still
        try:
            fit = train_encoder(encoder, self.task, demonstrations, self.seed, self._tell_sight)
        except ValueError as error:
            raise UserError(str(error)) from error
        torch.set_num_threads(threads)
        self._note = ""
        write_atomically(self.run.encoder_fit, json.dumps(asdict(fit), indent=2) + "\n")
        self.get_logger().info(f"learned to see: {fit}")

    def _await_demonstrations(self) -> None:
        while rclpy.ok() and not self._demonstrated():
            self._executor.spin_once(timeout_sec=0.1)
            self._tell_status()

    def _demonstrated(self) -> bool:
        """Whether all demonstrations are there, and on disk."""
        wanted = self._run_status.demos_wanted
        heard = 0 < wanted <= self._run_status.demos
        if heard:
            self._fetch()
        return heard and len(self.run.succeeded(Source.DEMONSTRATION)) >= wanted

    def _tell_sight(self, update: int) -> None:
        self._note = f"learning to see, {10 * (10 * update // UPDATES)} %"
        self._executor.spin_once(timeout_sec=0.0)
        self._tell_status()

    def _tell_prior(self, update: int) -> None:
        wanted = self.learner.config.prior_updates
        self._note = f"learning from what others did, {10 * (10 * update // wanted)} %"
        self._executor.spin_once(timeout_sec=0.0)
        self._tell_status()

    def _round(self) -> None:
        learner, config = self.learner, self.learner.config
        owing = learner.owed > 0
        if owing:
            self._idle_since = time.monotonic()
        elif learner.updates > self._published:
            self._publish_weights()
        elif learner.updates > self._saved and time.monotonic() - self._idle_since > SAVE_AFTER:
            self._save()
        if not owing and self._misses_steps():
            self._take_in_own(self._fetch() if self.apart else self._closed_bags())
            self._step_heard = time.monotonic()
        self._executor.spin_once(timeout_sec=0.0 if owing else IDLE_SECONDS)
        for _ in range(CALLBACKS_PER_ROUND - 1):
            self._executor.spin_once(timeout_sec=0.0)
        if owing:
            learner.update()
            if learner.updates - self._published >= config.publish_every:
                self._publish_weights()
            if learner.updates - self._saved >= config.checkpoint_every:
                self._save()
            if learner.updates - self._logged >= LOG_EVERY:
                self._log()
        self._tell_status()

    def _publish_encoder(self) -> None:
        """Once: it is frozen, and may be larger by far than what goes on learning; else it comes with the weights."""
        policy, updates = self.learner.agent.policy, self.learner.updates
        data = encoder_to_bytes(policy, self.task.id, updates)
        message = EncoderWeights(run=self.run.name, safetensors=array.array("B", data))
        message.header.stamp = to_stamp(now(self))
        self._sight.publish(message)

    def _publish_weights(self) -> None:
        self._published = self.learner.updates
        agent = self.learner.agent
        message = PolicyWeights(
            run=self.run.name,
            version=agent.updates,
            safetensors=self._packed(agent.policy),
        )
        if self.learner.owed <= 0:  # as before an evaluation
            message.average = self._packed(agent.averaged)
        message.header.stamp = to_stamp(now(self))
        self._weights.publish(message)
        self._tell_status(force=True)

    def _packed(self, policy: GaussianPolicy) -> array.array[int]:
        # rclpy copies an array.array at once and anything else byte by byte.
        encoder = self.pupil is not None
        data = policy_to_bytes(policy, self.task.id, self.learner.updates, encoder)
        return array.array("B", data)

    def _save(self) -> None:
        learner, task = self.learner, self.task.id
        self._saved = learner.updates
        try:
            save_learner(
                self.run.learner_checkpoint, learner.agent, task, learner.buffer.steps_received
            )
            save_policy(self.run.policy_checkpoint, learner.agent.averaged, task, learner.updates)
        except CheckpointError as error:
            raise UserError(str(error)) from error

    def _log(self) -> None:
        self._logged = self.learner.updates
        for name, value in self.learner.metrics.items():
            self.board.add_scalar(f"learner/{name}", value, self.learner.updates)

    def _misses_steps(self) -> bool:
        """Whether the actor lived more than arrived: a link was dead for longer than the topic is deep, or a kill came
        after the recorder had a step and before this node did.
        """
        silent = time.monotonic() - self._step_heard
        return silent > PATIENCE and self._run_status.steps > self.learner.policy_steps

    def _waits(self) -> str:
        """What keeps it from learning; empty: nothing. For steps that do not come it owes no updates."""
        silent = time.monotonic() - self._step_heard
        run = self._run_status
        trains = run.phase == PHASES[Source.POLICY] and not run.note
        if not trains or self.learner.owed > 0 or silent < PATIENCE:
            return ""
        return f"no step came for {silent:.0f} s, waits for the actor"

    def _tell_status(self, force: bool = False) -> None:
        if not force and time.monotonic() - self._status_told < STATUS_PERIOD:
            return
        self._status_told = time.monotonic()
        learner = self.learner
        message = LearnerStatus(
            run=self.run.name,
            updates=learner.updates,
            transitions=learner.buffer.steps_received,
            online_size=learner.buffer.online_size,
            demo_size=learner.buffer.demo_size,
            updates_per_second=learner.updates_per_second(),
            ready=self._ready,
            note=self._note or self._waits(),
            **{
                name: float(learner.metrics.get(name, 0.0))
                for name in ("critic_loss", "actor_loss", "entropy", "temperature")
            },
        )
        message.header.stamp = to_stamp(now(self))
        self._status.publish(message)


def main() -> None:
    """Entry point."""

    def live() -> None:
        node = LearnerNode()
        try:
            node.live()
        finally:
            node.destroy_node()

    run_main(live)
