# SPDX-License-Identifier: Apache-2.0
"""The parameters of the actor's node; the first value of each is its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rldg_core.perturbation import Perturbation, read_perturbation
from rldg_core.provenance import domain_of
from rldg_core.site_file import site
from rldg_core.task import Task, load_task, named_tasks
from rldg_core.vocabulary import EpisodeStatus, Source
from rldg_rl.learner_config import DEMOS
from rldg_rl.policies.chunks import Execution
from rldg_rl.rewards.jury import Jury


@dataclass(frozen=True)
class ActorParameters:
    """As they are declared, by name and type."""

    mode: str = "train"
    """train, evaluate or collect"""
    task: str = "connector/vga"
    """family/variant; several with commas"""
    run: str = "runs/unnamed"
    """folder of the run"""
    seed: int = 0
    operator: str = "scripted"
    """who demonstrates, leads in and helps; none: no one does"""
    policy: str = ""
    """specialists' files or students' folders, with commas: one of every task, or one of all; in training, the student
    that demonstrates. Empty: there is none"""
    episodes: int = 20
    """evaluation episodes of every task, or those of a collection that count; 0: until the stack is stopped"""
    status: str = str(EpisodeStatus.SUCCESS)
    """episodes of a collection that count: success, or all of any outcome"""
    demos: int = 20
    """successful demonstrations of a training"""
    steps: int = 0
    """most training steps; 0: the task's own number"""
    observation: str = "state"
    """that a training learns from: state or image"""
    encoder: str = DEMOS
    """of images, by name"""
    source: str = str(Source.POLICY)
    """who leads in a collection: policy or demonstration"""
    student_run: str = ""
    """run of the student that is evaluated; empty: none"""
    perturb: str = ""
    """how far the twin's world is off; see `perturbation`"""
    randomize: bool = False
    """whether the twin draws its looks"""
    deterministic: bool = False
    """whether a trained policy takes the mean of its distribution"""
    replan: int = 1
    """actions of a student's chunk that are done before it is asked again"""
    ensemble: float = -1.0
    """how much overlapping chunks are averaged; negative: not at all"""
    instruction: str = ""
    """instruction of a policy; empty: the task's own"""
    apart: bool = False
    """whether learner or student are on another machine"""
    real: bool = field(default_factory=lambda: not site().simulated)
    """whether the robot is a real one; by default as the set-up's file says"""
    lockstep: bool = True
    """whether the actor may keep the world waiting"""
    resets: str = "instant"
    """instant or motion: how the arm gets to its starts"""
    video: bool = True
    """whether some of the episodes are filmed at the end"""
    reward: str = "twin"
    """see `jury`; so are the three below"""
    confirm: bool = False
    on_request: bool = False
    classifier: str = ""

    @property
    def moves(self) -> bool:
        """Whether resets are motions."""
        return self.resets == "motion"

    @property
    def unattended(self) -> bool:
        """Whether no person is there at all."""
        return self.operator == "none"

    @property
    def perturbation(self) -> Perturbation:
        """How far the twin's world is off."""
        return read_perturbation(self.perturb)

    @property
    def domain(self) -> str:
        """That the robot acts in; see `provenance`."""
        return domain_of(self.real, self.randomize, self.perturbation)

    @property
    def execution(self) -> Execution:
        """Of a student's chunks."""
        return Execution(self.replan, None if self.ensemble < 0 else self.ensemble)

    @property
    def jury(self) -> Jury:
        """Who says when a task is done."""
        return Jury(self.reward, self.confirm, self.on_request, self.classifier)

    def tasks(self) -> dict[str, Task]:
        """By name, in their order."""
        return {name: load_task(name) for name in named_tasks(self.task)}


DEFAULTS: dict[str, dict[str, Any]] = {"collect": {"episodes": 50}}
"""by mode: what is another value than that of `ActorParameters()`"""
