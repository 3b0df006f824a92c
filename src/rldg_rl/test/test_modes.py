# SPDX-License-Identifier: Apache-2.0
"""Training, evaluation and collection: what each lives next, who leads, for whom it waits."""

from __future__ import annotations

import array
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from logged import Clock, Logged
from played_parts import VGA, context
from steering import steering_policy

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.task import load_task
from rldg_core.user_error import UserError
from rldg_core.vocabulary import ExecutedBy, Source
from rldg_msgs.msg import LearnerStatus, PolicyWeights
from rldg_rl.acting.actor import EpisodeAborted
from rldg_rl.acting.run_state import RunState
from rldg_rl.agent.checkpoint import policy_to_bytes, save_policy
from rldg_rl.modes.actor_parameters import DEFAULTS, ActorParameters
from rldg_rl.modes.collect import Collect
from rldg_rl.modes.context import Context
from rldg_rl.modes.evaluate import Evaluate
from rldg_rl.modes.loaded_policies import instruct
from rldg_rl.modes.mode import Mode
from rldg_rl.modes.modes import make_mode
from rldg_rl.modes.plan_check import check_training
from rldg_rl.modes.run_config import run_config
from rldg_rl.modes.train import MAX_LAG, SETTLE_SECONDS, Train
from rldg_rl.policies.learned_policies import LearnedPolicies


def episode(source: str, status: str = "success", steps: int = 10) -> EpisodeSummary:
    return EpisodeSummary(f"{source}_00000", source, status, VGA.id, 0, steps, 0, 1.0)


def state_of(mode: Mode, given: Context, *episodes: EpisodeSummary) -> RunState:
    state = RunState(given.run, mode.count)
    for each in episodes:
        state.progress.add(each)
    return state


def weights(task: str = VGA.id, version: int = 0, average: bool = False) -> PolicyWeights:
    data = array.array("B", policy_to_bytes(steering_policy(load_task(task)), VGA.id, version))
    return PolicyWeights(safetensors=data, average=data if average else array.array("B"))


def saved_policy(folder: Path) -> str:
    path = folder / "policy.safetensors"
    save_policy(path, steering_policy(VGA), VGA.id, 5)
    return str(path)


@pytest.mark.parametrize(
    ("name", "kind"), [("train", Train), ("evaluate", Evaluate), ("collect", Collect)]
)
def test_a_mode_is_found_by_its_name(tmp_path: Path, name: str, kind: type) -> None:
    assert isinstance(make_mode(context(tmp_path, mode=name)), kind)


def test_an_unknown_mode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="one of train, evaluate, collect"):
        make_mode(context(tmp_path, mode="dance"))


def test_a_training_goes_through_its_phases(tmp_path: Path) -> None:
    given = context(tmp_path, demos=1, steps=20, episodes=1)
    mode = Train(given)
    state, phases = state_of(mode, given), []
    while source := state.progress.source:
        phases.append(source)
        state.closed(episode(source))
        assert len(phases) < 10
    assert phases == [Source.DEMONSTRATION, Source.POLICY, Source.POLICY, Source.EVALUATION]


def test_an_evaluation_has_one_phase_and_a_collection_the_one_that_is_asked_for(
    tmp_path: Path,
) -> None:
    given = context(tmp_path, mode="evaluate", episodes=2)
    state = state_of(Evaluate(given), given)
    assert state.progress.source == Source.EVALUATION
    state.closed(episode(Source.EVALUATION, "failure"))
    state.closed(episode(Source.EVALUATION))
    assert state.progress.source is None
    given = context(tmp_path, mode="collect", source=Source.DEMONSTRATION, episodes=1)
    state = state_of(Collect(given), given)
    assert state.progress.source == Source.DEMONSTRATION
    state.closed(episode(Source.DEMONSTRATION, "failure"))
    assert state.progress.source == Source.DEMONSTRATION, "only successes count"
    state.closed(episode(Source.DEMONSTRATION))
    assert state.progress.source is None


@pytest.mark.parametrize("kind", [Train, Evaluate, Collect])
def test_no_number_of_episodes_is_without_end(tmp_path: Path, kind: type) -> None:
    assert kind(context(tmp_path, episodes=0)).plan.endless
    assert not kind(context(tmp_path, episodes=1)).plan.endless


def test_defaults_are_those_of_a_mode() -> None:
    collected = ActorParameters(**DEFAULTS["collect"]).episodes
    assert ActorParameters().episodes == 20 and collected == 50


def test_steps_are_the_tasks_own_unless_they_are_given(tmp_path: Path) -> None:
    assert Train(context(tmp_path)).plan.steps == VGA.learning.steps
    assert Train(context(tmp_path, steps=7)).plan.steps == 7
    assert Train(context(tmp_path)).plan.least_steps == VGA.learning.least_steps


# Who leads


def test_in_a_training_a_person_demonstrates_then_the_newest_weights_lead_and_their_average_is_judged(
    tmp_path: Path,
) -> None:
    mode = Train(context(tmp_path, deterministic=True))
    mode.load()
    assert mode.leader(Source.DEMONSTRATION, VGA.id) is None
    assert mode.leader(Source.POLICY, VGA.id) is mode.policies[VGA.id]
    assert mode.leader(Source.EVALUATION, VGA.id) is not mode.policies[VGA.id]
    assert mode.helped and not mode.deterministic
    assert (
        mode.teaches(Source.DEMONSTRATION)
        and mode.teaches(Source.POLICY)
        and not mode.teaches(Source.EVALUATION)
    )


def test_a_student_may_demonstrate(tmp_path: Path) -> None:
    mode = Train(context(tmp_path, policy=saved_policy(tmp_path)))
    mode.load()
    demonstrator = mode.leader(Source.DEMONSTRATION, VGA.id)
    seen = SimpleNamespace()
    assert demonstrator is not None
    demonstrator.begin(seen, 3)
    state = np.zeros(demonstrator._policy._policy.observation_dim, np.float32)
    assert demonstrator.act(seen, state, True).author is ExecutedBy.DEMONSTRATION


@pytest.mark.parametrize("kind", [Evaluate, Collect])
def test_a_loaded_policy_leads_unhelped_and_teaches_no_learner(tmp_path: Path, kind: type) -> None:
    given = context(tmp_path, policy=saved_policy(tmp_path), deterministic=True)
    mode = kind(given)
    mode.load()
    assert mode.leader(Source.POLICY, VGA.id) is mode.policies[VGA.id]
    assert mode.policies[VGA.id].version == 5
    assert not mode.helped and mode.deterministic and not mode.teaches(Source.POLICY)
    mode.before_episode(Source.POLICY, state_of(mode, given))
    mode.before_step(state_of(mode, given))


def test_one_policy_does_all_tasks_and_a_person_needs_none(tmp_path: Path) -> None:
    both = "connector/vga,connector/xlr"
    mode = Collect(context(tmp_path, task=both, policy=saved_policy(tmp_path)))
    mode.load()
    assert list(mode.policies) == both.split(",")
    led = Collect(context(tmp_path, source=Source.DEMONSTRATION))
    led.load()
    assert led.policies == {} and led.leader(Source.DEMONSTRATION, VGA.id) is None


def test_a_missing_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot load the policy"):
        Evaluate(context(tmp_path, policy=str(tmp_path / "none.safetensors"))).load()


def test_only_policies_with_an_instruction_take_a_new_one() -> None:
    instructed, other = SimpleNamespace(instruction="old"), SimpleNamespace(instruction="")
    instruct([instructed, other], "new")
    instruct([instructed, other], "  ")
    assert (instructed.instruction, other.instruction) == ("new", "")


# For whom they wait


def status(**fields: object) -> LearnerStatus:
    return LearnerStatus(**fields)


def test_a_training_waits_for_its_first_weights(tmp_path: Path) -> None:
    clock, log = Clock(), Logged()
    given = context(tmp_path, clock, log)
    mode = Train(given)
    state = state_of(mode, given)
    mode.before_episode(Source.DEMONSTRATION, state)
    assert clock.now == 0.0, "a person needs none"
    mode.topics[contract.LEARNER_STATUS](status(note="learning to see, 50 %"))
    clock.wait(999.5)  # the stack is stopped at 1000
    mode.before_episode(Source.POLICY, state)
    assert set(log.lines) == {"learning to see, 50 %"}
    clock.now = 0.0
    mode.topics[contract.POLICY_WEIGHTS](weights())
    mode.before_episode(Source.POLICY, state)
    assert clock.now == 0.0


def test_an_evaluation_in_a_training_waits_for_all_updates_and_their_average(
    tmp_path: Path,
) -> None:
    clock = Clock()
    given = context(tmp_path, clock)
    mode = Train(given)
    state = state_of(mode, given, episode(Source.POLICY, steps=150))
    state.source = Source.POLICY

    def waited() -> float:
        clock.now = 990.0
        mode.before_episode(Source.EVALUATION, state)
        return clock.now - 990.0

    assert waited() > 9, "there is no learner"
    mode.topics[contract.POLICY_WEIGHTS](weights(version=300, average=True))
    mode.topics[contract.LEARNER_STATUS](status(ready=True, updates=299))
    assert waited() > 9, "an update is owed"
    mode.topics[contract.LEARNER_STATUS](status(ready=True, updates=301))
    assert waited() > 9, "the average is older"
    mode.topics[contract.LEARNER_STATUS](status(ready=True, updates=300))
    assert waited() == SETTLE_SECONDS, "for the last transition"
    state.source = Source.EVALUATION
    assert waited() == 0.0


def test_in_lockstep_the_learner_is_not_left_behind(tmp_path: Path) -> None:
    clock, log = Clock(), Logged()
    given = context(tmp_path, clock, log)
    mode = Train(given)
    state = state_of(mode, given, episode(Source.POLICY, steps=200))
    state.source = Source.POLICY
    lag = 2 * MAX_LAG
    mode.topics[contract.LEARNER_STATUS](status(ready=True, updates=400 - lag))
    mode.before_step(state)
    assert (clock.now, log.lines) == (0.0, [])
    state.count_step(ExecutedBy.DEMONSTRATION)
    mode.before_step(state)
    assert clock.now == 0.0, "a step of a lead-in is no training step"
    state.count_step(ExecutedBy.POLICY)
    clock.now = 999.9
    mode.before_step(state)
    assert clock.now >= 1000.0 and log.lines == ["announced"]
    state.source = Source.EVALUATION
    clock.now = 0.0
    mode.before_step(state)
    assert clock.now == 0.0


def test_in_real_time_the_actor_does_not_wait_for_the_learner(tmp_path: Path) -> None:
    clock = Clock()
    given = context(tmp_path, clock, lockstep=False)
    mode = Train(given)
    state = state_of(mode, given, episode(Source.POLICY, steps=200))
    state.source = Source.POLICY
    mode.before_step(state)
    assert clock.now == 0.0


def test_a_student_on_another_machine_is_waited_for_and_missed(tmp_path: Path) -> None:
    clock, log = Clock(), Logged()
    far = SimpleNamespace(is_there=False)
    student = SimpleNamespace(instruction="old", version=0)
    given = context(
        tmp_path, clock, log, policy="student", apart=True, lockstep=False, instruction="new"
    )
    given = replace(given, far_policy=lambda *_: (student, far))
    mode = Evaluate(given)
    mode.load()
    assert student.instruction == "new"
    clock.now = 999.85
    mode.before_episode(Source.EVALUATION, state_of(mode, given))
    assert set(log.lines) == {"waiting for the student on the other machine"}
    with pytest.raises(EpisodeAborted, match="is gone"):
        mode.before_step(state_of(mode, given))
    far.is_there = True
    mode.before_step(state_of(mode, given))


# What arrives


def test_weights_that_do_not_fit_are_reported_and_passed_over_where_others_did() -> None:
    log, others = Logged(), []
    learned = LearnedPolicies(VGA, False, log, lambda topic: "".join(others))
    with pytest.raises(UserError, match="start both machines with the same arguments"):
        learned.hear_weights(weights("pick_place/pepper"))
    others.append("policy/weights has 2 publishers")
    learned.hear_weights(weights("pick_place/pepper"))
    assert log.lines[0].endswith("; policy/weights has 2 publishers") and not learned.newest.ready
    others.clear()
    learned.hear_weights(weights(version=3))
    learned.hear_weights(weights("pick_place/pepper"))
    assert learned.newest.version == 3 and len(log.lines) == 2
    assert not learned.average.ready, "it only comes before an evaluation"


def test_weights_wait_for_what_sees() -> None:
    learned = LearnedPolicies(VGA, True, Logged(), lambda topic: "")
    learned.hear_weights(weights())
    assert not learned.newest.ready


# What is kept


def test_a_config_says_what_a_run_is(tmp_path: Path) -> None:
    given = context(tmp_path, resets="motion")
    config = run_config(given, Train(given))
    assert list(config)[:6] == ["task", "observation", "encoder", "reward", "resets", "seed"]
    assert list(config)[-3:] == ["plan", "learner", "agent"]
    assert (config["observation"], config["encoder"]) == ("state", None)
    assert (config["resets"], config["perturb"]) == ("motion", None)
    given = context(tmp_path, mode="evaluate", observation="image")
    config = run_config(given, Evaluate(given))
    assert (config["observation"], config["encoder"]) == (None, None)
    assert "learner" not in config


def test_on_another_machine_the_actor_keeps_what_was_judged(tmp_path: Path) -> None:
    for apart in (False, True):
        given = context(tmp_path / str(apart), apart=apart)
        mode = Train(given)
        mode.topics[contract.LEARNER_STATUS](status(ready=True))
        mode.topics[contract.POLICY_WEIGHTS](weights(average=True))
        mode.finish()
        assert given.run.policy_checkpoint.is_file() is apart


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"observation": "image", "demos": 2}, "give demos:=20"),
        ({"operator": "none", "demos": 2}, "demos:=2 need a person"),
        (
            {"operator": "none", "demos": 0, "task": "fmb_assembly/hexagon"},
            "fmb_assembly/hexagon needs a person up to its hand-over",
        ),
    ],
)
def test_an_impossible_training_is_refused_before_anything_moves(
    tmp_path: Path, given: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Train(context(tmp_path, **given)).check()


@pytest.mark.parametrize(
    "given",
    [
        {"observation": "image", "demos": 3},
        {"observation": "image", "encoder": "scratch", "demos": 0},
        {"operator": "none", "demos": 0},
        {"operator": "none", "demos": 2, "policy": "student"},
        {"resets": "motion"},
        {"task": "fmb_assembly/hexagon"},
    ],
)
def test_one_that_somebody_can_do_begins(tmp_path: Path, given: dict[str, object]) -> None:
    Train(context(tmp_path, **given)).check()


def test_no_demonstration_is_asked_for_twice() -> None:
    alone = ActorParameters(operator="none", demos=2)
    check_training(alone, VGA, demonstrated=2)
    with pytest.raises(UserError, match="demos:=2 need a person"):
        check_training(alone, VGA, demonstrated=1)


@pytest.mark.parametrize("kind", [Evaluate, Collect])
def test_no_robot_changes_its_board_by_itself(tmp_path: Path, kind: type) -> None:
    both = "connector/vga,connector/xlr"
    with pytest.raises(UserError, match="resets:=motion is for one task"):
        kind(context(tmp_path, task=both, resets="motion")).check()
    kind(context(tmp_path, task=both)).check()
    kind(context(tmp_path, resets="motion")).check()


def test_the_file_of_a_set_up_is_read_by_no_import(tmp_path: Path) -> None:
    broken = tmp_path / "site.yaml"
    broken.write_text("[")
    # An error of an import is a traceback; that of a node is one line and exit code 2.
    start = [sys.executable, "-c", "import rldg_rl.actor_node"]
    subprocess.run(start, env={**os.environ, "RLDG_SITE": str(broken)}, check=True)
