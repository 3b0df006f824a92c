# SPDX-License-Identifier: Apache-2.0
"""What a run does next is told from its episodes."""

from __future__ import annotations

from dataclasses import replace

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.vocabulary import Source
from rldg_rl.acting.schedule import RunPlan, RunProgress, episode_seed

PLAN = RunPlan(("connector/vga",), demos=2, steps=100, evaluations=3, mastered=4)


def episode(
    source: str, status: str = "success", steps: int = 10, by_hand: int = 0, lead_in: int = 0
) -> EpisodeSummary:
    seconds = steps / 10
    return EpisodeSummary("x", source, status, "connector/vga", 0, steps, by_hand, seconds, lead_in)


def progress(*episodes: EpisodeSummary) -> RunProgress:
    return RunProgress(PLAN, episodes)


DEMOS = [episode(Source.DEMONSTRATION)] * 2


def test_demonstrations_come_first_and_failed_ones_do_not_count() -> None:
    assert progress().source == Source.DEMONSTRATION
    assert (
        progress(episode(Source.DEMONSTRATION, "failure"), DEMOS[0]).source == Source.DEMONSTRATION
    )
    assert progress(*DEMOS).source == Source.POLICY


def test_training_ends_with_its_steps() -> None:
    failures = [episode(Source.POLICY, "failure", 50)]
    assert progress(*DEMOS, *failures).source == Source.POLICY
    assert progress(*DEMOS, *failures * 2).source == Source.EVALUATION


def test_training_ends_early_once_the_task_is_mastered_without_help() -> None:
    assert progress(*DEMOS, *[episode(Source.POLICY, steps=5)] * 4).source == Source.EVALUATION
    helped = [episode(Source.POLICY, steps=5)] * 3 + [episode(Source.POLICY, steps=5, by_hand=1)]
    assert progress(*DEMOS, *helped).source == Source.POLICY


def test_a_lucky_row_ends_no_training_that_has_hardly_begun() -> None:
    plan = replace(PLAN, least_steps=30)
    row = [*DEMOS, *[episode(Source.POLICY, steps=5)] * 4]
    assert RunProgress(plan, row).source == Source.POLICY
    assert RunProgress(plan, [*row, *row[2:]]).source == Source.EVALUATION


def test_how_much_a_person_helps_is_reported_over_time() -> None:
    assert progress(*DEMOS).by_hand == []
    assert progress(episode(Source.POLICY, by_hand=5)).by_hand == [0.5]
    early = [episode(Source.POLICY, by_hand=8, lead_in=2, steps=12)] * 20
    shares = progress(*DEMOS, *early, *[episode(Source.POLICY)] * 20).by_hand
    assert shares == [0.8] * 5 + [0.0] * 5, "of ten parts, and of what the policy was there for"


def test_aborted_episodes_count_as_steps_and_as_nothing_else() -> None:
    aborted = episode(Source.POLICY, "aborted", 30)
    state = progress(
        *DEMOS,
        *[episode(Source.POLICY, steps=5)] * 2,
        aborted,
        *[episode(Source.POLICY, steps=5)] * 2,
    )
    assert state.steps == 50
    assert state.mastered and state.success_rate(Source.POLICY) == 1.0
    assert progress(*DEMOS, episode(Source.EVALUATION, "aborted")).finished(Source.EVALUATION) == []


def test_a_run_is_done_after_its_evaluation() -> None:
    trained = [*DEMOS, episode(Source.POLICY, "failure", 100)]
    assert progress(*trained, *[episode(Source.EVALUATION)] * 2).source == Source.EVALUATION
    assert progress(*trained, *[episode(Source.EVALUATION)] * 3).source is None


def test_several_tasks_are_evaluated_in_turn() -> None:
    plan = RunPlan(("connector/vga", "connector/xlr"), demos=0, steps=0, evaluations=2)
    state, tasks = RunProgress(plan), []
    while state.source:
        tasks.append(state.task)
        status = "aborted" if len(tasks) == 2 else "success"
        state.add(EpisodeSummary("x", Source.EVALUATION, status, state.task, 0, 10, 0, 1.0))
    vga, xlr = plan.tasks
    assert tasks == [vga, xlr, xlr, vga, xlr], "an aborted one does not count"
    assert state.counts()["evaluations"] == state.counts()["evaluations_wanted"] == 4


def test_a_person_who_cannot_do_the_task_is_reported() -> None:
    failures = [episode(Source.DEMONSTRATION, "failure")] * 7
    assert progress(*failures[:6]).trouble == ""
    assert "7 demonstrations failed against 0" in progress(*failures).trouble
    assert progress(*failures, *DEMOS).trouble == "", "there are enough: the others are forgotten"


def test_what_is_left_is_estimated_from_what_was_seen() -> None:
    assert progress().steps_left == 2 * 55 + 100 + 3 * 20
    half = progress(
        *DEMOS, episode(Source.POLICY, "failure", 50), episode(Source.EVALUATION, steps=30)
    )
    assert half.steps_left == 50 + 2 * 30


def test_a_lead_in_is_no_training_but_takes_its_time() -> None:
    state = progress(*DEMOS, *[episode(Source.POLICY, "failure", 50, lead_in=40)] * 2)
    assert state.steps == 20 and state.source == Source.POLICY
    assert state.steps_left == 80 * 5 + 3 * 20
    led_in = [episode(Source.POLICY, steps=50, lead_in=45)] * 4
    assert progress(*DEMOS, *led_in).mastered, "the person did not help the policy"


def test_rates_and_cycle_times_are_over_the_last_episodes() -> None:
    old, new = [episode(Source.POLICY, "failure", 1)] * 30, [episode(Source.POLICY, steps=20)] * 20
    state = progress(*old, *new)
    assert state.success_rate(Source.POLICY) == 1.0
    assert state.cycle_seconds(Source.POLICY) == 2.0
    assert (
        progress().success_rate(Source.POLICY) == 0.0
        and progress().cycle_seconds(Source.POLICY) == 0.0
    )


def test_seeds_differ_by_run_source_and_number_and_stay_the_same() -> None:
    seeds = {
        episode_seed(run, source, number)
        for run in range(3)
        for source in (Source.DEMONSTRATION, Source.POLICY, Source.EVALUATION)
        for number in range(50)
    }
    assert len(seeds) == 450 and max(seeds) < 2**63
    assert episode_seed(1, Source.POLICY, 2) == episode_seed(1, Source.POLICY, 2)
