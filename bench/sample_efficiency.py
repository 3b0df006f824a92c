# SPDX-License-Identifier: Apache-2.0
"""How many steps a specialist takes, with and without two defects of HIL-SERL's released code.

    ./.venv/bin/python bench/sample_efficiency.py [--tasks connector/vga ...] [--seeds 5] [--steps 3000] [--workers 2]

The same learner, robot and operator in every run; the buffer alone differs. `hil-serl` stores as the released code
does:

- a time-out counts as a termination, so no value lies beyond it;
- what a person did is kept as fragments of episodes, whose images lie in a ring that takes them for contiguous: the
  first image of a fragment is the last one of the fragment before, unless that ended its episode. Here the observation
  is the state, so what an image would have told is what is out of date: the goal's place.

Every so many steps the average of the weights is judged on the same starts, without a person's help. Results go to
--out: every run's numbers (results.json) and the curves (curve.png). All in one process per run, without ROS.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path

import matplotlib
import numpy as np
import torch
from rich.progress import Progress

from rldg_core.task import Task, load_task
from rldg_core.vocabulary import EpisodeStatus, ExecutedBy, Source
from rldg_rl.acting.actor import Actor, Policy
from rldg_rl.acting.played_hands import played_deflection
from rldg_rl.acting.schedule import episode_seed
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.learner import Learner
from rldg_rl.agent_config import agent_config
from rldg_rl.environment.environment import RobotEnv
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.replay_buffer import ReplayBuffer, TransitionBatch
from rldg_rl.episodes.step import Belief, ControlStep, StoredStep, stored_step
from rldg_rl.robot.direct_robot import DirectRobot
from rldg_rl.robot.observation import GOAL, Observation, state_dim
from rldg_robot.person.scripted_operator import ScriptedOperator, load_person

matplotlib.use("agg")
from matplotlib import pyplot as plt

TASKS = ("connector/usb_a", "connector/vga", "connector/ethernet")
BUFFERS = ("rldg", "hil-serl")
DEMONSTRATIONS = 20
JUDGED_EVERY = 250
JUDGED_ON = 20
JUDGED_SEED = 7_000


class HilSerlBuffer:
    """Online and demonstration transitions as HIL-SERL's released code keeps them; filled like a `ReplayBuffer`."""

    def __init__(self, capacity: int, observation_dim: int, action_dim: int) -> None:
        self.online, self.demo = (
            ReplayBuffer(capacity, observation_dim, action_dim) for _ in range(2)
        )
        self._waiting: StoredStep | None = None
        self._kept: StoredStep | None = None
        """the last transition of the demonstration buffer"""

    @property
    def online_size(self) -> int:
        """See `ReplayBuffer`."""
        return self.online.online_size

    def __contains__(self, _: tuple[str, int]) -> bool:
        """Steps come once here."""
        return False

    def add(self, step: StoredStep) -> None:
        """Keep the step before this one, whose next observation is known now, and an episode's last one."""
        if self._waiting is not None and self._waiting.episode_id == step.episode_id:
            self._keep(replace(self._waiting, next_observation=step.observation))
        self._waiting = None if step.next_observation is not None else step
        if step.next_observation is not None:
            self._keep(step)

    def _keep(self, step: StoredStep) -> None:
        ended = step.terminated or step.truncated
        # A pair by itself, which the ring joins to nothing.
        pair = replace(
            step, episode_id=f"{step.episode_id}/{step.index}", index=0, terminated=ended
        )
        if step.executed_by != ExecutedBy.DEMONSTRATION:
            self.online.add(replace(pair, executed_by=ExecutedBy.POLICY))
        if step.executed_by != ExecutedBy.POLICY:
            self.demo.add(
                replace(
                    pair, executed_by=ExecutedBy.DEMONSTRATION, observation=self._out_of_date(step)
                )
            )
            self._kept = step

    def _out_of_date(self, step: StoredStep) -> np.ndarray:
        """What is stored as seen: with the goal of a fragment before, where this one begins a new one."""
        before = self._kept
        if before is None or before.terminated or before.truncated:
            return step.observation
        if (before.episode_id, before.index + 1) == (step.episode_id, step.index):
            return step.observation
        assert before.next_observation is not None
        return np.concatenate((step.observation[:-GOAL], before.next_observation[-GOAL:]))

    def sample(
        self, batch_size: int, rng: np.random.Generator, demo_fraction: float
    ) -> TransitionBatch:
        """Half and half."""
        demos = round(batch_size * demo_fraction)
        shown, own = (
            self.demo.sample(demos, rng),
            self.online.sample(batch_size - demos, rng),
        )
        arrays = [name for name, array in vars(own).items() if array is not None]
        return TransitionBatch(
            **{name: np.concatenate((getattr(shown, name), getattr(own, name))) for name in arrays}
        )


class Specialist(Policy):
    """The agent that learns."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.judged = False

    def act(self, seen: Observation, state: np.ndarray, deterministic: bool) -> Belief:
        """See `actor.Policy`: training acts on the last weights, evaluations on their average."""
        policy = self.agent.averaged if self.judged else self.agent.policy
        return Belief(*policy.act(state, deterministic), self.agent.updates)


class Person:
    """The scripted operator at the SpaceMouse; see `actor.Hands`."""

    def __init__(self, task: Task, seed: int) -> None:
        self.operator = ScriptedOperator(task, seed, load_person("default"))

    def begin(self, task: Task, seed: int) -> None:
        """The witness says which episode begins."""

    def deflection(self, seen: Observation) -> np.ndarray:
        """See `actor.Hands`."""
        return played_deflection(self.operator, seen)


class Run:
    """One training in this process; witness of its own actor."""

    def __init__(self, name: str, buffer: str, seed: int) -> None:
        self.task = task = load_task(name)
        self.seed = seed
        dim, action_dim = state_dim(task), task.action_dim
        self.agent = Agent(agent_config(task), dim, action_dim, seed)
        made = (ReplayBuffer if buffer == "rldg" else HilSerlBuffer)(200_000, dim, action_dim)
        self.learner = Learner(self.agent, made, seed=seed)  # type: ignore[arg-type]
        self.person = Person(task, seed)
        self.specialist = Specialist(self.agent)
        self.actor = Actor(RobotEnv(DirectRobot(task, looks=False), task), self.person, self)
        self.numbers = dict.fromkeys((Source.DEMONSTRATION, Source.POLICY, Source.EVALUATION), 0)
        self.source = ""
        self.held: list[StoredStep] = []

    def opened(self, result: EpisodeResult) -> None:
        """See `actor.Witness`."""
        self.source, self.held = result.source, []
        self.person.operator.begin(result.source)

    def before_step(self) -> None:
        """See `actor.Witness`."""

    def after_step(self, step: ControlStep) -> None:
        """See `actor.Witness`."""
        stored = stored_step(step)
        stored = replace(stored, action=stored.action[: self.task.action_dim])
        if self.source == Source.DEMONSTRATION:
            self.held.append(stored)
        elif self.source == Source.POLICY:
            self.learner.take_in(stored)
            while self.learner.owed > 0:
                self.learner.update()

    def closed(self, result: EpisodeResult) -> None:
        """See `actor.Witness`: of demonstrations the successful ones count."""
        if result.status is EpisodeStatus.SUCCESS:
            for step in self.held:
                self.learner.take_in(step)

    def episode(self, source: str, number: int | None = None) -> EpisodeResult:
        """One episode; without a number the next."""
        self.numbers[source] += 1
        seed = episode_seed(self.seed, source, self.numbers[source])
        self.specialist.judged = source == Source.EVALUATION
        return self.actor.run_episode(
            f"{source}_{self.numbers[source]:05d}",
            source,
            seed if number is None else JUDGED_SEED + number,
            None if source == Source.DEMONSTRATION else self.specialist,
        )

    def judge(self) -> float:
        """Share of successes without help, on the same starts every time."""
        results = [self.episode(Source.EVALUATION, number) for number in range(JUDGED_ON)]
        return float(np.mean([result.autonomous_success for result in results]))


@dataclass(frozen=True)
class Curve:
    """What one training came to."""

    task: str
    buffer: str
    seed: int
    steps: list[int]
    """at which it was judged"""
    success: list[float]
    """share of JUDGED_ON episodes"""
    by_hand: float
    """share of the training steps"""


def train(task: str, buffer: str, seed: int, steps: int) -> Curve:
    """One training, judged every JUDGED_EVERY steps."""
    torch.set_num_threads(1)
    run = Run(task, buffer, seed)
    shown = 0
    while shown < DEMONSTRATIONS:
        shown += run.episode(Source.DEMONSTRATION).status is EpisodeStatus.SUCCESS
    at: list[int] = []
    success: list[float] = []
    by_hand = 0
    while run.learner.policy_steps < steps:
        by_hand += run.episode(Source.POLICY).interventions
        if run.learner.policy_steps >= JUDGED_EVERY * (len(at) + 1):
            at.append(run.learner.policy_steps)
            success.append(run.judge())
    return Curve(task, buffer, seed, at, success, by_hand / run.learner.policy_steps)


def steps_to(curve: Curve, wanted: float = 0.95) -> int | None:
    """Steps after which it was never judged worse than that again; None: it did not come to that."""
    below = [i for i, success in enumerate(curve.success) if success < wanted]
    first = below[-1] + 1 if below else 0
    return curve.steps[first] if first < len(curve.steps) else None


def show(curves: Sequence[Curve], steps: int) -> None:
    """A line for each task and buffer."""
    print(
        f"{'':22}{'buffer':10}{'steps to 95 % and no less, each seed':44}{'success, mean over training'}"
    )
    for task, buffer in product(dict.fromkeys(c.task for c in curves), BUFFERS):
        own = sorted(
            (c for c in curves if (c.task, c.buffer) == (task, buffer)), key=lambda c: c.seed
        )
        reached = [steps_to(curve) for curve in own]
        area = float(np.mean([np.mean(curve.success) for curve in own]))
        columns = " ".join(f"{r or f'>{steps}':>7}" for r in reached)
        print(f"{task:22}{buffer:10}{columns:44}{100 * area:.0f} %")


def draw(path: Path, curves: Sequence[Curve]) -> None:
    """Success over steps: the mean of the seeds, and every seed thinly."""
    tasks = list(dict.fromkeys(curve.task for curve in curves))
    figure, axes = plt.subplots(
        1,
        len(tasks),
        figsize=(4.2 * len(tasks), 3.4),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for axis, task in zip(axes[0], tasks, strict=True):
        for color, buffer in zip(("C0", "C3"), BUFFERS, strict=True):
            own = [c for c in curves if (c.task, c.buffer) == (task, buffer)]
            length = min(len(curve.steps) for curve in own)
            for curve in own:
                axis.plot(curve.steps, [100 * s for s in curve.success], c=color, lw=0.6, alpha=0.4)
            mean = np.mean([curve.success[:length] for curve in own], axis=0)
            at = np.mean([curve.steps[:length] for curve in own], axis=0)
            axis.plot(at, 100 * mean, c=color, lw=2.2, label=buffer)
        axis.set(title=task, xlabel="training steps", ylim=(-3, 103))
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("success without help [%]")
    axes[0][0].legend(loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main() -> None:
    """Train, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=TASKS, help="variants to learn")
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each (5)")
    parser.add_argument("--steps", type=int, default=3000, help="of each training (3000)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="trainings at a time")
    parser.add_argument("--out", type=Path, default=Path("runs/sample_efficiency"), help="folder")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    results = given.out / "results.json"
    curves = [Curve(**run) for run in json.loads(results.read_text())] if results.exists() else []
    finished = {(curve.task, curve.buffer, curve.seed) for curve in curves}
    wanted = [
        (task, buffer, seed)
        for seed, task, buffer in product(range(given.seeds), given.tasks, BUFFERS)
        if (task, buffer, seed) not in finished
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.workers, context) as pool, Progress() as progress:
        bar = progress.add_task("trainings", total=len(wanted))
        for job in as_completed([pool.submit(train, *each, given.steps) for each in wanted]):
            if job.exception():
                pool.shutdown(cancel_futures=True)
            curves.append(job.result())
            results.write_text(json.dumps([asdict(c) for c in curves], indent=1) + "\n")
            progress.advance(bar)
    show(curves, given.steps)
    draw(given.out / "curve.png", curves)
    print(f"{results}, {given.out / 'curve.png'}")


if __name__ == "__main__":
    main()
