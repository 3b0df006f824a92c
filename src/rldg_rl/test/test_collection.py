# SPDX-License-Identifier: Apache-2.0
"""A collection asks for what it lacks, evenly, and knows when it is hopeless."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.vocabulary import Source
from rldg_rl.acting.collection import ALL, HOPELESS, Collection, CollectionPlan

TASKS = ("connector/vga", "connector/usb_a", "connector/xlr")


def episode(task: str, status: str = "success") -> EpisodeSummary:
    return EpisodeSummary("policy_00000", Source.POLICY, status, task, 0, 10, 0, 1.0)


@settings(deadline=None)
@given(st.integers(1, 3), st.integers(1, 12), st.lists(st.booleans(), min_size=60))
def test_the_mix_is_even_whatever_fails(tasks: int, episodes: int, outcomes: list[bool]) -> None:
    collection = Collection(CollectionPlan(TASKS[:tasks], Source.POLICY, episodes))
    for succeeds in outcomes:
        if collection.source is None:
            break
        collection.add(episode(collection.task, "success" if succeeds else "failure"))
        missing = collection.missing.values()
        assert max(missing) - min(missing) <= 1, "even at any moment"
    if sum(outcomes) >= episodes:
        assert collection.source is None
        won = Counter(e.task for e in collection.finished(Source.POLICY) if e.status == "success")
        assert won.total() == episodes
    assert collection.counts()["collected"] == min(sum(outcomes), episodes)


def test_episodes_that_do_not_divide_go_to_the_first_tasks() -> None:
    assert CollectionPlan(TASKS, Source.POLICY, 8).shares == dict(
        zip(TASKS, (3, 3, 2), strict=True)
    )


def test_aborted_episodes_count_for_nothing() -> None:
    collection = Collection(
        CollectionPlan(TASKS[:1], Source.POLICY, 1), [episode(TASKS[0], "aborted")]
    )
    assert collection.source == Source.POLICY and collection.of(TASKS[0]) == []


def test_a_hopeless_task_is_reported() -> None:
    plan = CollectionPlan(TASKS[:2], Source.POLICY, 10)
    failures = [episode(TASKS[0], "failure")] * (HOPELESS - 1)
    assert Collection(plan, failures).trouble == ""
    hopeless = Collection(plan, [*failures, episode(TASKS[0], "failure")])
    assert f"{HOPELESS} episodes of connector/vga failed in a row" in hopeless.trouble
    assert Collection(plan, [*failures, episode(TASKS[0]), *failures]).trouble == ""


def test_what_failed_in_an_earlier_start_is_no_reason_to_give_up() -> None:
    plan = CollectionPlan(TASKS[:1], Source.POLICY, 10)
    earlier = [replace(episode(TASKS[0], "failure"), episode_id=f"{n}") for n in range(HOPELESS)]
    resumed = Collection(plan, earlier, frozenset(e.episode_id for e in earlier))
    assert resumed.trouble == ""
    for _ in range(HOPELESS):
        assert resumed.trouble == ""
        resumed.add(episode(TASKS[0], "failure"))
    assert f"{HOPELESS} episodes of connector/vga failed in a row" in resumed.trouble


def test_an_endless_one_wants_the_next_whatever_became_of_the_last() -> None:
    plan = CollectionPlan(TASKS[:1], Source.POLICY, 0, endless=True)
    for status in ("success", "failure"):
        collection = Collection(plan, [episode(TASKS[0], status)] * (2 * HOPELESS))
        assert collection.source == Source.POLICY and collection.trouble == ""
        assert collection.counts()["episodes"] == 2 * HOPELESS


def test_where_any_outcome_counts_failures_count_and_are_no_reason_to_give_up() -> None:
    plan = CollectionPlan(TASKS[:2], Source.POLICY, 2 * HOPELESS + 1, status=ALL)
    collection = Collection(plan)
    while collection.source is not None:
        assert collection.trouble == ""
        assert collection.steps_left == sum(collection.missing.values()) * collection.mean_steps(
            Source.POLICY
        ), "no episode has to be repeated"
        collection.add(episode(collection.task, "failure"))
    assert Counter(e.task for e in collection.finished(Source.POLICY)) == plan.shares
    assert collection.counts()["collected"] == 2 * HOPELESS + 1
    aborted = Collection(plan, [episode(TASKS[0], "aborted")])
    assert aborted.counts()["collected"] == 0
