# SPDX-License-Identifier: Apache-2.0
"""The actor as a node: leads a run through its phases and tells recorder, learner and screen of every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.node import Node
from std_msgs.msg import String

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary, messages_of
from rldg_core.gate_reason import Reason, ReasonCode
from rldg_core.perturbation import read_perturbation
from rldg_core.provenance import domain_of
from rldg_core.site_file import site
from rldg_core.task import Task, load_task, named_tasks
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_msgs.msg import EncoderWeights, LearnerStatus, PolicyWeights
from rldg_rl.acting.actor import Actor, EpisodeAborted, GateStop, Policy
from rldg_rl.acting.closed_loop import close_the_loop
from rldg_rl.acting.collection import Collection, CollectionPlan
from rldg_rl.acting.demonstrator import Demonstrator
from rldg_rl.acting.free_drive import FreeDrive
from rldg_rl.acting.hands import Hands
from rldg_rl.acting.person_client import PersonClient
from rldg_rl.acting.played_hands import PlayedHands
from rldg_rl.acting.recorder_watch import RecorderWatch
from rldg_rl.acting.schedule import Progress, RunPlan, episode_seed
from rldg_rl.agent.checkpoint import CheckpointError, encoder_from_bytes
from rldg_rl.agent_config import AgentConfig, agent_config
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.environment.reset_count import ResetCount, keep_resets, read_resets
from rldg_rl.environment.reset_motion import ResetStalled
from rldg_rl.episodes.announcer import Announcer
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.step import ControlStep
from rldg_rl.evaluation.outcomes import Trace
from rldg_rl.evaluation.results import RecordFile, make_record
from rldg_rl.learner_config import (
    DEMOS,
    FEWEST_DEMONSTRATIONS,
    SCRATCH,
    LearnerConfig,
    updates_due,
)
from rldg_rl.own_run import listen_to_own
from rldg_rl.policies.chunks import Execution
from rldg_rl.policies.live_policy import LivePolicy
from rldg_rl.policies.trained_policy import far_policy, trained_policy
from rldg_rl.rewards.jury import SOMEBODY, Jury
from rldg_rl.robot.gate_client import GateClient
from rldg_rl.robot.robot_client import RobotClient, RobotSilent
from rldg_rl.run_folder import RunError, RunFolder
from rldg_robot.node_main import run_main
from rldg_robot.publishers import crowd
from rldg_robot.ros import listen_to, make_executor

if TYPE_CHECKING:
    from rldg_rl.policies.far_student import FarStudent
    from rldg_rl.policies.student_policy import StudentPolicy

MAX_LAG = 30  # steps that the actor may be ahead of the learner in lockstep
RETRY_SECONDS = 1.0
SETTLE_SECONDS = 1.0
FREE = "free driving: y or both buttons begin an episode"
HOW = {"keyboard": " at ./rldg run rldg_robot keyboard_teleop", "spacemouse": "", "gamepad": ""}
"""where a person is, by operator"""


class ActorNode(Node):
    """Witness of its own actor: publishes what was lived."""

    def __init__(self) -> None:
        super().__init__("actor")
        names = named_tasks(self._parameter("task", "connector/vga"))
        self.tasks: dict[str, Task] = {name: load_task(name) for name in names}
        self.seed: int = self._parameter("seed", 0)
        self.mode: str = self._parameter("mode", "train")
        self.training = self.mode == "train"
        self.operator: str = self._parameter("operator", "scripted")
        self.apart: bool = self._parameter("apart", False)
        self.lockstep: bool = self._parameter("lockstep", True)
        self.deterministic: bool = self._parameter("deterministic", False)
        self.policy: str = self._parameter("policy", "")
        self.student_run: str = self._parameter("student_run", "")
        self.perturbation = read_perturbation(self._parameter("perturb", ""))
        self.randomize: bool = self._parameter("randomize", False)
        self.observation: str = self._parameter("observation", "state") if self.training else ""
        self.encoder: str = self._parameter("encoder", DEMOS) if self._sees else ""
        self.moves = self._parameter("resets", "instant") == "motion"
        self.jury = Jury(
            reward=self._parameter("reward", "twin"),
            confirm=self._parameter("confirm", False),
            on_request=self._parameter("on_request", False),
            classifier=self._parameter("classifier", ""),
        )
        self.plan = self._make_plan()
        self.run = RunFolder(Path(self._parameter("run", "runs/unnamed")))
        self._prepare_run()
        self._earlier: frozenset[str] = frozenset()  # ids of the episodes of starts before this one
        self.progress = self._count([])
        real = self._parameter("real", not site().simulated)
        self.domain = domain_of(real, self.randomize, self.perturbation)
        self.announcer = Announcer(self, self.run, self.run.wall_seconds(), self.domain)
        self._source = ""
        self._trial = 0
        self._lived_steps = self._lead_in = 0
        self._records = RecordFile(self.run.records)
        self._records.mend()

        self.robot = RobotClient(self, make_executor(self), next(iter(self.tasks.values())))
        self.policies: dict[str, LivePolicy | StudentPolicy] = {}
        self._far: FarStudent | None = None
        self.recorder = RecorderWatch(self, self.run)
        self._learner = LearnerStatus()
        self._gate = GateClient(self, self.robot)
        self._resets = read_resets(self.run)
        self.announcer.reset_seconds = self._resets.mean_seconds
        self._loop_closed = False
        listen_to_own(self, contract.LEARNER_STATUS, self.run, self._on_learner)
        listen_to(self, contract.INSTRUCTION, self._on_instruction)
        if self.training:
            self._weights: PolicyWeights | None = None
            self._learned = LivePolicy(self._learned_task)
            self._judged = LivePolicy(self._learned_task)
            self.policies = {self._learned_task.id: self._learned}
            self._demonstrator = self._make_demonstrator()
            listen_to_own(self, contract.POLICY_WEIGHTS, self.run, self._on_weights)
            listen_to_own(self, contract.ENCODER_WEIGHTS, self.run, self._on_encoder)
        else:
            self._load_policies()
        self.person = PersonClient(self, self._wait_for)
        nobody = self.operator == "none"
        hands = PlayedHands() if nobody else Hands(self, self.robot, self.operator)
        played = self.operator == "scripted"
        self._hand = hands if isinstance(hands, Hands) and not played else None
        self.actors = {}
        self.drives: dict[str, FreeDrive] = {}
        for name, task in self.tasks.items():
            judge = self.jury.judge(task, hands, self.person)
            env = RobotEnv(self.robot, task, judge=judge, moves=self.moves)
            self.actors[name] = Actor(env, hands, self, helped=self.training)
            if self.jury.on_request and self._hand:
                self.drives[name] = FreeDrive(env, self._hand, self.person)

    def _parameter(self, name: str, default: Any) -> Any:
        return self.declare_parameter(name, default).value

    def _make_plan(self) -> RunPlan | CollectionPlan:
        if self.mode == "collect":
            source = self._parameter("source", str(Source.POLICY))
            wanted = self._parameter("episodes", 50)
            return CollectionPlan(tuple(self.tasks), source, wanted, endless=wanted == 0)
        episodes = self._parameter("episodes", 20)
        return RunPlan(
            tasks=tuple(self.tasks),
            demos=self._parameter("demos", 20) if self.training else 0,
            steps=self._steps() if self.training else 0,
            least_steps=self._learned_task.learning.least_steps if self.training else 0,
            evaluations=episodes,
            endless=episodes == 0,
        )

    def _steps(self) -> int:
        return int(self._parameter("steps", 0)) or self._learned_task.learning.steps

    @property
    def _learned_task(self) -> Task:
        (task,) = self.tasks.values()
        return task

    @property
    def _sees(self) -> bool:
        """Whether the learner needs images."""
        return self.observation == "image"

    @cached_property
    def _agent_config(self) -> AgentConfig:
        return agent_config(self._learned_task, learns_to_see=self.encoder == SCRATCH)

    def _count(self, episodes: list[EpisodeSummary]) -> Progress | Collection:
        if isinstance(self.plan, CollectionPlan):
            return Collection(self.plan, episodes, self._earlier)
        return Progress(self.plan, episodes)

    def _prepare_run(self) -> None:
        try:
            self.run.prepare()
            self._check_plan()
            self._settle_config()
        except (RunError, OSError) as error:
            raise UserError(str(error)) from error

    def _check_plan(self) -> None:
        """Check that somebody can do what is wanted.

        Raises:
            UserError: nobody can.
        """
        demos = self.plan.demos if isinstance(self.plan, RunPlan) else 0
        if self._sees and self.encoder != SCRATCH and demos < FEWEST_DEMONSTRATIONS:
            raise UserError(
                "observation:=image learns to see from demonstrations: give demos:=20, "
                f"{FEWEST_DEMONSTRATIONS} at least; or encoder:=scratch"
            )
        alone = self.operator == "none" and not self.policy
        if alone and demos > len(self.run.succeeded(Source.DEMONSTRATION)):
            raise UserError(
                f"demos:={demos} need a person: {SOMEBODY}, init:=<a student>, or demos:=0"
            )
        led_in = [name for name, task in self.tasks.items() if task.handover]
        if self.training and led_in and self.operator == "none":
            raise UserError(f"{led_in[0]} needs a person up to its hand-over: {SOMEBODY}")
        if self.moves and len(self.tasks) > 1:
            raise UserError(
                "resets:=motion is for one task: no robot changes its board and its tool by itself"
            )

    def _settle_config(self) -> None:
        of_policy = ("seed", "policy", "perturb", "randomize", "reward")
        fixed = {"train": ("observation", "encoder"), "evaluate": of_policy}.get(self.mode, ())
        self.run.settle_config(
            {
                "task": ",".join(self.tasks),
                "observation": self.observation or None,
                "encoder": self.encoder or None,
                "reward": str(self.jury),
                "resets": "motion" if self.moves else "instant",
                "seed": self.seed,
                "policy": self.policy,
                "perturb": str(self.perturbation) or None,
                "randomize": self.randomize or None,
                "operator": self.operator,
                "plan": vars(self.plan),
            }
            | self._learning(),
            ("task", *fixed),
        )

    def _learning(self) -> dict[str, Any]:
        if not self.training:
            return {}
        return {"learner": vars(LearnerConfig()), "agent": vars(self._agent_config)}

    def _make_demonstrator(self) -> Demonstrator | None:
        """Who demonstrates, where no person does."""
        if not self.policy:
            return None
        student = trained_policy(
            Path(self.policy), self._learned_task, Execution(), beside=not self.lockstep
        )
        return Demonstrator(student)

    def _load_policies(self) -> None:
        """One for every task, or the same for all; none where a person leads."""
        ensemble = self._parameter("ensemble", -1.0)
        execution = Execution(self._parameter("replan", 1), None if ensemble < 0 else ensemble)
        if not self.policy:
            return
        paths = self.policy.split(",")
        if len(paths) == 1:
            paths *= len(self.tasks)
        for (name, task), path in zip(self.tasks.items(), paths, strict=True):
            if self.apart:
                self.policies[name], self._far = far_policy(self, Path(path), task, execution)
                continue
            self.policies[name] = trained_policy(
                Path(path), task, execution, beside=not self.lockstep
            )
        if instruction := self._parameter("instruction", ""):
            self._tell_policies(instruction)

    # What arrives

    def _on_learner(self, message: LearnerStatus) -> None:
        self._learner = message

    def _on_weights(self, message: PolicyWeights) -> None:
        self._weights = message
        self._take_weights()

    def _on_encoder(self, message: EncoderWeights) -> None:
        with self._fitting(contract.ENCODER_WEIGHTS):
            encoder = encoder_from_bytes(bytes(message.safetensors), self._learned_task.id)
            self._learned.see(encoder)
            self._judged.see(encoder)
        self._take_weights()

    def _take_weights(self) -> None:
        """The last ones, once there is what sees for them."""
        if self._weights is None or (self._sees and not self._learned.looks):
            return
        with self._fitting(contract.POLICY_WEIGHTS):
            self._learned.load(bytes(self._weights.safetensors))
            if self._weights.average:
                self._judged.load(bytes(self._weights.average))

    @contextmanager
    def _fitting(self, topic: contract.Topic) -> Iterator[None]:
        """Weights of the learner are taken; they fit unless two machines were started apart. Where others fitted
        before, or somebody else sends some, those that do not are passed over.

        Raises:
            UserError: they do not.
        """
        try:
            yield
        except CheckpointError as error:
            others = crowd(self, (topic,))
            if others or self._learned.ready:
                told = f"weights are passed over: {error}{others and '; ' + others}"
                self.get_logger().error(told, throttle_duration_sec=5.0)
                return
            raise UserError(
                f"what the learner sends does not fit here ({error}): start both machines with the same arguments, "
                "observation:= too"
            ) from error

    def _on_instruction(self, message: String) -> None:
        self._tell_policies(message.data)

    def _tell_policies(self, instruction: str) -> None:
        """Words for those that are told in words what to do."""
        for policy in self.policies.values():
            if policy.instruction and instruction.strip():
                policy.instruction = instruction

    # The run

    def live(self) -> None:
        """Lead the run to its end."""
        self._wait_for(self.recorder.is_there, "the recorder")
        self._close_orphan()
        episodes = self.run.episodes()
        self._earlier = frozenset(episode.episode_id for episode in episodes)
        self.progress = self._count(episodes)
        self._check_records()
        while (source := self.progress.source) is not None:
            self._tell_status(source, force=True)
            try:
                self._next_episode(source)
            except (RobotSilent, EpisodeAborted) as error:
                self.get_logger().warning(f"episode aborted: {error}")
                self._recover()
            except ResetStalled as error:
                self._ask_for_person(str(error))
        if self.training:
            self._wait_for(lambda: self._learner.ready, "the learner")
            self._keep_policy()
        self._tell_status(None, note="writing the report", force=True)
        self._report()
        self._tell_status(None, force=True)
        self.robot.spin(1.0)

    def _check_records(self) -> None:
        """Check that of every evaluation episode that has a bag there is a record, too.

        Raises:
            UserError: there is not; the report would be of fewer episodes than were lived.
        """
        if not isinstance(self.progress, Progress):
            return
        known = {record.bag for record in self._records.read()}
        finished = [e.episode_id for e in self.progress.finished(Source.EVALUATION)]
        if lost := [name for name in finished if name not in known]:
            raise UserError(
                f"{self.run.records} lacks {len(lost)} evaluation episodes whose bags are there, beginning with "
                f"{lost[0]}; a power cut may have emptied it. Restore it, or move those bags out of {self.run.bags}: "
                "their episodes are then lived again"
            )

    def _next_episode(self, source: str) -> None:
        if self.progress.trouble:
            raise UserError(self.progress.trouble)
        if source != Source.DEMONSTRATION and self.training:
            self._wait_for_weights(final=source == Source.EVALUATION)
        if far := self._far:
            self._wait_for(lambda: far.is_there, "the student on the other machine")
        if not self._loop_closed:
            self._wait_for(lambda: self.robot.hears_gate, "the safety gate")
            if self._awaits_release(source):
                return  # nothing moves before that, not even the twin to a start
            task = self.tasks[self.progress.task]
            close_the_loop(self, self.robot, task, self.recorder, self.moves)
            self._loop_closed = True
        if self.jury.asks:
            self.person.await_somebody()
        if hand := self._hand:
            self._wait_for(lambda: hand.are_there, f"the {self.operator}{HOW[self.operator]}")
        if self.drives and not self._drive_freely():
            return
        if self.moves:  # or the end of the last bag would hear of it
            self.robot.wait_for(self.recorder.is_free, "the recorder", 10.0)
        self._source = source
        number = self.run.next_episode_number(source)
        self._trial = number
        if isinstance(self.progress, Progress) and source == Source.EVALUATION:
            # Aborted episodes take numbers too, and every policy is to be judged on the same starts.
            self._trial = self.progress.evaluations(self.progress.task)
        if self._releases and self._is_alone(source) and _for_wrench(self.robot.stopped):
            self._release_gate()  # no episode fails for what was before it
        result = self.actors[self.progress.task].run_episode(
            f"{source}_{number:05d}",
            source,
            episode_seed(self.seed, source, self._trial),
            self._leader(source),
            deterministic=self.deterministic and not self.training,
        )
        if result.stopped and self._is_alone(source):
            self._release_gate()

    def _awaits_release(self, source: str) -> bool:
        """Wait until a person releases the stop in which this start found the robot; whether there was one."""
        stop = self.robot.stopped
        released_here = self._releases and self._is_alone(source) and _for_wrench(stop)
        if not stop or released_here:
            return False
        self._recover()
        return True

    def _drive_freely(self) -> bool:
        """Until the person wants an episode; whether they did."""

        def goes_on() -> bool:
            self._tell_status(self.progress.source, note=FREE)
            return bool(rclpy.ok())

        self.drives[self.progress.task].until_wanted(goes_on)
        return bool(rclpy.ok())

    def _leader(self, source: str) -> Policy | None:
        """The policy that leads; none where a person does."""
        if source == Source.DEMONSTRATION:
            return self._demonstrator if self.training else None
        judged = self.training and source == Source.EVALUATION
        return self._judged if judged else self.policies[self.progress.task]

    def _is_alone(self, source: str) -> bool:
        """Whether nobody stands by who would release the gate."""
        return source == Source.EVALUATION or self.operator == "none"

    @property
    def _releases(self) -> bool:
        """Whether it releases the gate itself."""
        return self.lockstep and not self.moves

    def _release_gate(self) -> None:
        """After a stop for a wrench that nobody stands by: where the twin alone puts the arm elsewhere nobody has to
        look first, otherwise a person does.
        """
        if not self._releases:
            self._recover()
            return
        # Away from what it pressed on, or the gate would stop again at once.
        self.robot.reset(0, self.progress.task)
        self._gate.release()

    def _report(self) -> None:
        # No start waits for what only an end needs.
        from rldg_rl.report import note_evaluation, report_collection, report_run  # noqa: PLC0415

        wall = self.announcer.wall_seconds
        if isinstance(self.progress, Collection):
            report_collection(self.run, self.progress, self.seed, wall, str(self.jury))
            return
        policy = self.policies[self.progress.task]
        updates = int(self._learner.updates) if self.training else policy.version
        perturb = str(self.perturbation)
        report_run(self.run, self.progress, self.seed, updates, wall, perturb, str(self.jury))
        if self.student_run:
            note_evaluation(RunFolder(Path(self.student_run)), self.run)

    def _close_orphan(self) -> None:
        """Close the episode that an actor before this one was killed in."""
        name = self.recorder.open_episode
        if not name:
            return
        opening = messages_of(self.run.bags / name, contract.EPISODE)[0]
        task = load_task(f"{opening.task}/{opening.variant}")
        orphan = EpisodeResult(name, task, opening.source, int(opening.seed), EpisodeStatus.ABORTED)
        orphan.instruction = opening.instruction
        orphan.reason = "the actor was restarted"
        self.robot.wait_for(lambda: self.announcer.is_heard, "the recorder", 10.0)
        self.announcer.episode(orphan)
        self.robot.wait_for(self.recorder.is_free, "the recorder", 10.0)

    def _wait_for_weights(self, final: bool) -> None:
        def there() -> bool:
            if not final:
                return self._learned.ready
            caught_up = self._learner.ready and self._learner.updates >= self._owed()
            return caught_up and self._judged.version >= self._learner.updates

        if final and self._source == Source.POLICY:
            self.robot.spin(SETTLE_SECONDS)  # for the last transition to arrive there
        self._wait_for(there, "the learner", lambda: str(self._learner.note))

    def _wait_for(
        self, condition: Callable[[], bool], whom: str, doing: Callable[[], str] = str
    ) -> None:
        """Wait as long as it takes, and say so, or what they are doing."""
        while rclpy.ok() and not condition():
            self.robot.spin(0.1)
            if not condition():
                self._tell_status(self.progress.source, note=doing() or f"waiting for {whom}")

    def _ask_for_person(self, trouble: str) -> None:
        """Stop the gate: no episode begins until a person has seen to the arm and released it."""
        self._count_resets(self._resets.stuck())
        attention = f"The arm is not at its start: {trouble}. Free it, then: ./rldg run rldg_robot gate reset"
        self.get_logger().error(attention)
        self._gate.stop()
        self._recover(attention)

    def _count_resets(self, count: ResetCount) -> None:
        self._resets = count
        self.announcer.reset_seconds = count.mean_seconds
        keep_resets(self.run, count)

    def _keep_policy(self) -> None:
        """Write down what was judged, where the learner writes its own on another machine."""
        if not (self.apart and self._judged.ready):
            return
        try:
            self._judged.save(self.run.policy_checkpoint)
        except CheckpointError as error:
            raise UserError(str(error)) from error

    def _recover(self, attention: str = "") -> None:
        """Wait until the parts that failed are back, and count again what is on disk."""
        self._loop_closed = False
        while rclpy.ok() and self.robot.stopped:
            note = f"waiting: the gate stopped ({self.robot.stopped})"
            self._tell_status(None, note=note, attention=attention)
            self.robot.spin(RETRY_SECONDS)
        self.robot.spin(RETRY_SECONDS)
        self._wait_for(self.recorder.is_free, "the recorder")
        self.progress = self._count(self.run.episodes())

    # What the actor tells (see actor.Witness)

    def opened(self, result: EpisodeResult) -> None:
        """Open the episode for everybody."""
        self._lived_steps = self._lead_in = 0
        self._trace = Trace()
        self._result = result
        if self.moves:
            self._count_resets(self._resets.arrived(result.reset_seconds))
        self.announcer.episode(result)

    def before_step(self) -> None:
        """Wait for recorder and learner; stop when the gate did.

        Raises:
            GateStop: the gate stopped the arm for its wrench while it was alone.
            EpisodeAborted: it stopped for something else, or the student on another machine is gone.
        """
        if stop := self.robot.stopped:
            alone = self._is_alone(self._source)
            kind = GateStop if alone and _for_wrench(stop) else EpisodeAborted
            raise kind(f"the safety gate stopped the arm: {stop}")
        if self._far and not self._far.is_there:
            raise EpisodeAborted("the student on the other machine is gone")
        if not self._gate_is_on_task():
            self.robot.wait_for(self._gate_is_on_task, "the safety gate to take up the task", 5.0)
        if not self._on_disk():
            self.robot.wait_for(self._on_disk, "the recorder", 10.0)
        if self._source == Source.POLICY and self.training and self.lockstep and self._ahead():
            self._tell_status(Source.POLICY)
            while rclpy.ok() and self._ahead():
                self.robot.spin(0.005)

    def _gate_is_on_task(self) -> bool:
        """Whether the limits of this episode's task are in force: a gate that was restarted begins with its first."""
        return self.robot.safety.task == self._result.task.id

    def _on_disk(self) -> bool:
        """Whether all steps so far are recorded."""
        if self._lived_steps > 0 and not self.recorder.open_episode:
            raise EpisodeAborted("the recorder was restarted")
        return self.recorder.has(self._result.episode_id, self._lived_steps)

    def _owed(self) -> int:
        """Updates that the learner owes for the training steps so far."""
        return updates_due(self._training_steps(), LearnerConfig(), self._agent_config)

    def _training_steps(self) -> int:
        """Steps of a policy so far, those of the open episode included; those of its lead-in are none."""
        own = self._lived_steps - self._lead_in
        return self.progress.steps + (own if self._source == Source.POLICY else 0)

    def _ahead(self) -> bool:
        return self._owed() - self._learner.updates > MAX_LAG * self._agent_config.updates_per_step

    def lived(self, step: ControlStep) -> None:
        """Publish the step."""
        self._lived_steps += 1
        self._lead_in += step.executed_by is ExecutedBy.DEMONSTRATION
        self._trace.add(step)
        learns = self.training and self._source != Source.EVALUATION and step.handed_over
        self.announcer.step(step, to_learner=learns, with_image=self._sees)
        if policy := self.policies.get(self.progress.task):
            self.announcer.health(policy.health)
        self._tell_status(self._source)

    def closed(self, result: EpisodeResult) -> None:
        """Close the episode for everybody."""
        if not rclpy.ok():
            return
        if result.source == Source.EVALUATION and result.status is not EpisodeStatus.ABORTED:
            self._records.add(make_record(result, self._trace, self._trial, result.episode_id))
        self.announcer.episode(result)
        summary = EpisodeSummary(
            episode_id=result.episode_id,
            source=result.source,
            status=str(result.status),
            task=result.task.id,
            seed=result.seed,
            steps=result.steps,
            interventions=result.interventions,
            seconds=result.seconds,
            lead_in=result.lead_in,
            embodiment=contract.EMBODIMENT,
            region=result.task.region,
            domain=self.domain,
        )
        self.progress.add(summary)
        self._lived_steps = self._lead_in = 0
        self.run.keep_wall_seconds(self.announcer.wall_seconds)
        if result.status is not EpisodeStatus.ABORTED:
            self.announcer.outcome(summary, self.progress)

    def _tell_status(
        self, source: str | None, note: str = "", force: bool = False, attention: str = ""
    ) -> None:
        steps = self._training_steps()
        self.announcer.status(self.progress, source, steps, note, force, attention)


def _for_wrench(stop: Reason | None) -> bool:
    """Whether the gate stopped the arm because it pressed too hard."""
    return stop is not None and stop.code is ReasonCode.WRENCH


def main() -> None:
    """Entry point."""

    def live() -> None:
        node = ActorNode()
        try:
            node.live()
        except OSError as error:
            raise UserError(
                f"cannot write into {node.run.path}: {error.strerror or error}; make room, then start the "
                "run again under its name"
            ) from error
        finally:
            node.announcer.close()
            node.destroy_node()

    run_main(live)
