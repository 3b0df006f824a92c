# SPDX-License-Identifier: Apache-2.0
"""What a learner begins with: checkpoint, other runs, demonstrations, its own bags."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from logged import Logged
from test_bag import STEPS, write_episode

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_core.vocabulary import Source
from rldg_rl.agent.agent import Agent
from rldg_rl.agent.bag_steps import BagSteps
from rldg_rl.agent.beginning import Beginning
from rldg_rl.agent.checkpoint import save_learner
from rldg_rl.agent.learner import Learner
from rldg_rl.agent.learner_setup import LearnerSetup
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import ReplayBuffer
from rldg_rl.learner_config import DEMOS, MEMORY, LearnerConfig
from rldg_rl.robot.observation import state_dim
from rldg_rl.run_folder import RunFolder

VGA = load_task("connector/vga")
SMALL = AgentConfig(hidden=(8,), batch_size=4)


class Around:
    """Implements `beginning.Surroundings`: an actor that comes by `demos` demonstrations while one waits."""

    def __init__(self, arrive: Callable[[], None] = lambda: None, demos: int = 0) -> None:
        self._arrive = arrive
        self._demos = demos
        self.waited = False
        self.fetched = 0
        self.notes: list[str] = []

    def wait_for(self, condition: Callable[[], bool]) -> None:
        assert not condition(), "what is waited for was not there yet"
        self._arrive()
        self.waited = True
        assert condition()

    def fetch(self) -> None:
        self.fetched += 1

    def demonstrations_wanted(self) -> int:
        return self._demos if self.waited else 0

    def tell(self, note: str) -> None:
        self.notes.append(note)


class WaitsInSteps(Around):
    """First the actor says that it has them all, then the bag is closed."""

    def wait_for(self, condition: Callable[[], bool]) -> None:
        assert not condition()
        self.waited = True
        assert not condition(), "the bag is not on disk yet"
        self._arrive()
        assert condition()


def new_learner() -> Learner:
    agent = Agent(SMALL, state_dim(VGA), VGA.action_dim, seed=0)
    buffer = ReplayBuffer(1000, state_dim(VGA), VGA.action_dim)
    return Learner(agent, buffer, LearnerConfig(starts=3, prior_updates=10))


def recorded(learner: Learner | None = None) -> BagSteps:
    return BagSteps(learner or new_learner(), VGA, looks=False, log=Logged())


def run_of(path: Path) -> RunFolder:
    run = RunFolder(path)
    run.prepare()
    return run


def write_demonstration(run: RunFolder, source: str = Source.DEMONSTRATION) -> None:
    name = f"{Source.DEMONSTRATION}_00000"
    summary = EpisodeSummary(name, source, "success", "connector/vga", 3, STEPS, 0, 0.5)
    write_episode(run.bags / name, close=False).close(summary)


def test_runs_to_learn_from_may_be_called_anything(tmp_path: Path) -> None:
    prior = [run_of(tmp_path / who / "policy_vga") for who in ("mine", "yours")]
    for run in prior:
        write_episode(run.bags / "policy_00000")
    steps = recorded()
    steps.take_in_prior(prior)
    assert steps.learner.buffer.steps_received == 2 * STEPS
    assert steps.learner.policy_steps == 0, "they are none of this training's"
    assert steps.log.lines == [f"{STEPS} steps of policy_vga to begin with"] * 2


def test_relabelled_episodes_are_nothing_to_learn_from(tmp_path: Path) -> None:
    prior = run_of(tmp_path / "relabelled")
    write_demonstration(prior, Source.RELABELLED)
    with pytest.raises(UserError, match="give prior:= the run that it was made of"):
        recorded().take_in_prior([prior])


def test_a_run_of_another_family_or_without_bags_is_nothing_to_learn_from(tmp_path: Path) -> None:
    prior = run_of(tmp_path / "vga")
    with pytest.raises(UserError, match="has no episode to learn from"):
        recorded().take_in_prior([prior])
    write_episode(prior.bags / "policy_00000")
    pepper = replace(recorded(), task=load_task("pick_place/pepper"))
    with pytest.raises(UserError, match="learns from runs of pick_place alone"):
        pepper.take_in_prior([prior])


def test_own_bags_are_taken_in_once_and_evaluations_never(tmp_path: Path) -> None:
    run, steps = run_of(tmp_path), recorded()
    write_episode(run.bags / "policy_00000")
    write_episode(run.bags / "evaluation_00000", source="evaluation")
    steps.take_in_own(run.own_bags())
    steps.take_in_own(run.own_bags())
    assert steps.learner.policy_steps == steps.learner.buffer.steps_received == STEPS


def test_a_bag_that_cannot_be_read_is_reported_and_passed_over(tmp_path: Path) -> None:
    run, steps = run_of(tmp_path), recorded()
    (run.bags / "policy_00000").mkdir()
    steps.take_in_own(run.own_bags())
    (line,) = steps.log.lines
    assert line.startswith("warning: nothing more is learned from") and "policy_00000" in line


def test_a_run_goes_on_from_its_own_checkpoint_and_bags(tmp_path: Path) -> None:
    run, before = run_of(tmp_path / "run"), new_learner()
    before.agent.updates = 7
    save_learner(run.learner_checkpoint, before.agent, VGA.id, STEPS)
    write_episode(run.bags / "policy_00000")
    steps, around = recorded(), Around()
    Beginning(steps, None, run, seed=0, init="elsewhere, and not looked at").begin(around)
    assert steps.learner.updates == 7 and steps.learner.policy_steps == STEPS
    assert steps.log.lines == [f"begins with 7 updates and {STEPS} steps from the bags"]
    assert around.fetched == 2 and not around.waited


def test_another_runs_weights_come_without_its_count(tmp_path: Path) -> None:
    other, before = tmp_path / "learner.safetensors", new_learner()
    before.agent.updates = 7
    save_learner(other, before.agent, "connector/xlr", STEPS)
    steps = recorded()
    Beginning(steps, None, run_of(tmp_path / "run"), seed=0, init=str(other)).begin(Around())
    assert steps.learner.updates == 0
    assert steps.log.lines == [f"begins with what was learned of connector/xlr: {other}"]
    expected, loaded = before.agent.policy_state(), steps.learner.agent.policy_state()
    assert all((expected[name] == loaded[name]).all() for name in expected)


def test_a_checkpoint_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        Beginning(recorded(), None, run_of(tmp_path), seed=0, init="nowhere").begin(Around())


def test_demonstrations_come_first_where_it_is_wanted(tmp_path: Path) -> None:
    run, steps = run_of(tmp_path), recorded()
    around = WaitsInSteps(lambda: write_demonstration(run), demos=1)
    Beginning(steps, None, run, seed=0, demos_first=True).begin(around)
    assert steps.learner.buffer.steps_received == STEPS
    assert steps.learner.updates == 0, "what was learned from them counts for nothing"
    assert around.notes[0] == "learning from what others did, 20 %" and around.notes[-1] == ""


def test_what_others_did_is_learned_from_once(tmp_path: Path) -> None:
    prior, run = run_of(tmp_path / "prior"), run_of(tmp_path / "run")
    write_episode(prior.bags / "policy_00000")
    first = Around()
    Beginning(recorded(), None, run, seed=0, prior=[prior]).begin(first)
    assert len(first.notes) == 6, "of every step, and the end"
    save_learner(run.learner_checkpoint, new_learner().agent, VGA.id, 0)
    again, steps = Around(), recorded()
    Beginning(steps, None, run, seed=0, prior=[prior]).begin(again)
    assert again.notes == [] and steps.learner.buffer.steps_received == STEPS


def test_a_blind_encoder_waits_for_demonstrations_to_learn_from(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    setup = LearnerSetup(VGA, run, seed=0, observation="image", encoder=DEMOS, buffer=MEMORY)
    learner, encoder = setup.make()
    around = Around(lambda: write_demonstration(run), demos=1)
    with pytest.raises(UserError, match="demonstration"):  # one is too few
        Beginning(recorded(learner), encoder, run, seed=0).begin(around)
    assert around.waited
