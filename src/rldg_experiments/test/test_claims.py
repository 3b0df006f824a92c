# SPDX-License-Identifier: Apache-2.0
"""Claims: which arms and tasks they are about, what decides them, and what cannot be claimed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from rldg_core.rate_intervals import newcombe, wilson
from rldg_experiments.claim_settings import ClaimSettings
from rldg_experiments.command_line import main
from rldg_experiments.evaluation import EpisodeOutcome
from rldg_experiments.experiment import ExperimentError, load
from rldg_experiments.plan import make_experiment_plan
from rldg_experiments.stages import Episodes, Evaluation, Specialist
from rldg_experiments.store import finish, in_dependency_order
from rldg_experiments.verdict import HELD, OPEN, REVERSED, Outcomes, decide_claim

RELATIVE = ClaimSettings("seen", of="a", at_least=0.9, relative_to="b")
BETTER = ClaimSettings("seen", better="a", than="b")
FASTER = replace(BETTER, of_what="cycle_time")
TWO = "data: {human: {episodes: [8, 150]}, rldg: {episodes: [8, 150]}}"
Won = Callable[[int], bool]


@pytest.fixture(autouse=True)
def _no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A student's options are another file's to test, and import what takes seconds."""
    monkeypatch.setattr("rldg_experiments.experiment._understood", lambda called, settings: None)


def outcome(success: bool, seconds: float, number: int) -> EpisodeOutcome:
    return EpisodeOutcome("connector/vga", success, seconds, 5.0 * seconds, number)


def arm(
    won: Won, count: int = 100, seconds: Callable[[int], float] = lambda number: 2.0
) -> Outcomes:
    """Of one training."""
    return {0: starts(won, count, seconds)}


def starts(
    won: Won, count: int = 100, seconds: Callable[[int], float] = lambda number: 2.0
) -> dict[tuple[str, int], list[EpisodeOutcome]]:
    return {("t", i): [outcome(won(i), seconds(i), i)] for i in range(count)}


def below(share: int) -> Won:
    """Succeeds in so many of a hundred."""
    return lambda number: number % 100 < share


@pytest.mark.parametrize(
    ("settings", "first", "second", "verdict"),
    [
        (BETTER, 90, 60, HELD),
        (BETTER, 60, 90, REVERSED),
        (BETTER, 62, 60, OPEN),
        (BETTER, 100, 100, OPEN),
        (replace(BETTER, by=0.2), 90, 60, HELD),
        (replace(BETTER, by=0.28), 90, 60, OPEN),
        (replace(BETTER, by=0.5), 90, 60, REVERSED),
        (RELATIVE, 95, 95, HELD),
        (RELATIVE, 89, 100, OPEN),
        (RELATIVE, 60, 100, REVERSED),
        (ClaimSettings("seen", of="a", at_least=0.9), 98, None, HELD),
        (ClaimSettings("seen", of="a", at_least=0.9), 93, None, OPEN),
        (ClaimSettings("seen", of="a", at_least=0.9), 70, None, REVERSED),
        (ClaimSettings("seen", of="a", at_most=0.2), 10, None, HELD),
        (ClaimSettings("seen", of="a", at_most=0.2), 40, None, REVERSED),
    ],
)
def test_a_rate_decides(
    settings: ClaimSettings, first: int, second: int | None, verdict: str
) -> None:
    found = decide_claim(
        settings, arm(below(first)), None if second is None else arm(below(second))
    )
    assert found.verdict == verdict
    assert (found.starts, found.seeds, found.first) == (100, 1, first / 100)


def test_a_few_episodes_hold_nothing() -> None:
    always = arm(below(100), count=3)
    assert decide_claim(ClaimSettings("seen", of="a", at_least=0.9), always, None).verdict == OPEN
    assert decide_claim(BETTER, always, arm(below(0), count=2)).starts == 2


def test_one_training_is_newcombes_interval_and_wilsons() -> None:
    first, second = arm(lambda i: i < 80), arm(lambda i: 10 <= i < 70)
    found = decide_claim(BETTER, first, second)
    assert (found.low, found.high) == pytest.approx(newcombe(60, 20, 0, 20))
    assert found.margin == pytest.approx(0.2)
    alone = decide_claim(ClaimSettings("seen", of="a", at_least=0.0), first, None)
    assert (alone.low, alone.high) == pytest.approx(wilson(80, 100))


def test_pairs_show_what_rates_apart_do_not() -> None:
    """Starts that only one of them solves, where the other 80 tell nothing."""
    first, second = arm(lambda i: i < 60), arm(lambda i: i < 48)
    assert decide_claim(BETTER, first, second).verdict == HELD
    shuffled = arm(lambda i: (i * 37) % 100 < 48)
    assert decide_claim(BETTER, first, shuffled).verdict == OPEN
    assert wilson(60, 100)[0] < wilson(48, 100)[1], "unpaired intervals touch"


def test_trainings_that_differ_widen_the_interval() -> None:
    first = {seed: starts(below(share)) for seed, share in enumerate((95, 60, 85))}
    second = {seed: starts(below(60)) for seed in range(3)}
    found = decide_claim(BETTER, first, second)
    assert found.seeds == 3 and found.starts == 100 and found.margin == pytest.approx(0.2)
    assert found.verdict == OPEN, "of the three one is no better"
    reach = 4.3027 * np.std([0.35, 0.0, 0.25], ddof=1) / 3**0.5
    assert found.low is not None and found.low < 0.2 - reach
    alike = {seed: starts(below(80)) for seed in range(3)}
    steady, one = (
        decide_claim(BETTER, alike, second),
        decide_claim(BETTER, arm(below(80)), arm(below(60))),
    )
    assert steady.verdict == HELD
    assert steady.low == pytest.approx(one.low), "the same starts again are no more starts"


def test_seeds_are_paired() -> None:
    """Every training is better than that of the same seed, though the seeds differ more than the arms."""
    rates = (40, 60, 80)
    first = {seed: starts(below(rate + 15)) for seed, rate in enumerate(rates)}
    second = {seed: starts(below(rate)) for seed, rate in enumerate(rates)}
    assert decide_claim(BETTER, first, second).verdict == HELD
    crossed = {seed: second[2 - seed] for seed in range(3)}
    assert decide_claim(BETTER, first, crossed).verdict == OPEN


def test_times_are_compared_where_both_succeed() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(0.0, 0.3, (2, 100))
    fast = arm(lambda i: True, seconds=lambda i: 2.0 + noise[0, i])
    slow = arm(lambda i: i >= 20, seconds=lambda i: 3.0 + noise[1, i] if i >= 20 else 0.1)
    found = decide_claim(FASTER, fast, slow)
    assert (found.verdict, found.starts) == (HELD, 80)
    assert found.margin == pytest.approx(1.0, abs=0.15)
    assert decide_claim(FASTER, slow, fast).verdict == REVERSED
    assert decide_claim(FASTER, fast, fast).verdict == OPEN, "equal is not better"
    assert decide_claim(replace(FASTER, by=0.5), fast, slow).verdict == HELD
    at_most = ClaimSettings("seen", of="a", at_most=2.5, of_what="cycle_time")
    assert (
        decide_claim(at_most, fast, None).verdict == HELD
        and decide_claim(at_most, slow, None).verdict == REVERSED
    )
    relative = replace(at_most, relative_to="b", at_most=0.8)
    assert decide_claim(relative, fast, slow).verdict == HELD


def test_forces_and_successes_per_10_minutes() -> None:
    gentle, hard = (
        arm(lambda i: True, seconds=lambda i, s=s: s + 0.01 * (i % 7)) for s in (2.0, 4.0)
    )
    weaker = replace(BETTER, of_what="peak_force_per_success", by=8.0)
    found = decide_claim(weaker, gentle, hard)
    assert (found.verdict, found.margin) == (HELD, pytest.approx(10.0 - 8.0))
    assert decide_claim(replace(weaker, by=11.0), gentle, hard).verdict == REVERSED
    more = replace(BETTER, of_what="successes_per_10_minutes")
    found = decide_claim(more, gentle, hard)
    assert found.verdict == HELD
    assert found.first == pytest.approx(600 / (2.03 + 1.5), rel=0.01), "with the reset"
    assert decide_claim(more, arm(below(50)), arm(below(100))).verdict == REVERSED
    assert decide_claim(more, arm(below(0)), arm(below(0))).verdict == OPEN


def test_without_a_success_times_tell_nothing() -> None:
    found = decide_claim(FASTER, arm(below(0)), arm(below(50)))
    assert (found.verdict, found.starts, found.margin, found.low) == (OPEN, 0, None, None)


def test_several_policies_of_one_arm_are_their_mean() -> None:
    each = {("t", i): [outcome(True, 2.0, i), outcome(False, 9.0, i)] for i in range(50)}
    found = decide_claim(BETTER, arm(below(100), 50), {0: each})
    assert (found.first, found.second) == (1.0, 0.5)


def own(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(f"base: demo\n{text}")
    return str(path)


def claimed(folder: Path, entry: str, more: str = "") -> list[str]:
    """First arm, second arm and place of every planned claim."""
    plan = make_experiment_plan(load(own(folder, f"claims: [{{{entry}}}]\n{more}")))
    return [f"{claim.first} {claim.second} {claim.on}" for claim in plan.claims]


def test_a_name_stands_for_every_arm_that_it_leaves_open(tmp_path: Path) -> None:
    pupil = "students: {pupil: {student: cnn}}\n"
    both = claimed(tmp_path, "better: rldg, than: human, on: seen", pupil)
    assert both == [f"{s}/rldg/150 {s}/human/150 connector/seen" for s in ("cnn", "pupil")]
    counts = claimed(tmp_path, "better: cnn/rldg, than: human, on: connector", TWO)
    assert counts == [f"cnn/rldg/{n} cnn/human/{n} connector" for n in (8, 150)]
    fewer = claimed(tmp_path, "better: rldg/8, than: human/150, on: seen", TWO)
    assert fewer == ["cnn/rldg/8 cnn/human/150 connector/seen"]
    beside = claimed(
        tmp_path, "at_least: 0.9, of: rldg, relative_to: specialist, on: connector/vga"
    )
    assert beside == ["cnn/rldg/150 specialist connector/vga"]
    families = "tasks: {fmb_insertion: {train: [rectangle]}}"
    assert [
        line.split()[-1]
        for line in claimed(tmp_path, "of: rldg, at_least: 0.5, on: seen", families)
    ] == ["connector/seen", "fmb_insertion/seen"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("better: octo, than: human, on: seen", "there is no arm 'octo': name specialist, or a"),
        (
            "better: relabelled, than: human, on: seen",
            "there is no arm 'relabelled'",
        ),
        ("better: rldg/7, than: human, on: seen", "no arm 'rldg/7' is judged"),
        ("better: rldg/human, than: human, on: seen", "there is no arm 'rldg/human'"),
        ("better: rldg, than: human, on: moon", "nothing is judged on 'moon': name seen, unseen"),
        ("better: rldg, than: human, on: connector/xlr", "nothing is judged on 'connector/xlr'"),
        ("better: rldg, than: rldg, on: seen", "no two arms that are alike otherwise"),
        (
            "better: rldg, than: human, on: seen, of_what: beauty",
            "'beauty' is none of success, cycle",
        ),
        (
            "better: rldg, than: specialist, on: unseen",
            "'specialist' is judged on connector/unseen: see",
        ),
        ("better: rldg, than: specialist, on: connector", "specialist is not judged on connector/"),
        ("better: rldg, on: seen", "than which arm"),
        ("better: rldg, than: human, at_least: 1, on: seen", "go with of"),
        ("of: rldg, on: seen", "give one of at_least and at_most"),
        ("of: rldg, at_least: 0.2, at_most: 0.4, on: seen", "give one of at_least and at_most"),
        ("of: rldg, at_least: 90, on: seen", "is a share: the bound must be 1 at most"),
        ("of: rldg, at_least: -1, on: seen", "must be 0 or more"),
        ("better: rldg, than: human, by: -0.1, on: seen", "by: must be 0 or more"),
        ("on: seen", "give either better and than"),
        ("better: rldg, than: human", "on"),
        ("better: rldg, than: human, on: seen, wehre: x", "wehre"),
    ],
)
def test_what_cannot_be_claimed(tmp_path: Path, entry: str, said: str) -> None:
    with pytest.raises(ExperimentError, match=said):
        claimed(tmp_path, entry)


@pytest.mark.parametrize(
    ("human", "code", "verdict"), [(1, 0, HELD), (20, 3, REVERSED), (10, 3, OPEN)]
)
def test_check_ends_with_3_unless_all_is_held(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    human: int,
    code: int,
    verdict: str,
) -> None:
    """All stages are finished, so that nothing is run."""
    monkeypatch.chdir(tmp_path)
    text = """
tasks: {connector: {train: [vga], unseen: [xlr]}}
seeds: 2
data: {human: {episodes: 4}, rldg: {episodes: 4}}
evaluation: {episodes: 20}
figures: []
"""
    name = own(tmp_path, text)
    for stage in in_dependency_order(make_experiment_plan(load(name)).targets):
        stage.artefact.mkdir(parents=True)
        finish(stage, 1.0, 1.0, resumed=False)
        if isinstance(stage, Episodes):
            (stage.artefact / "summary.json").write_text('{"tasks": {}}')
        if isinstance(stage, Specialist):
            (stage.artefact / "summary.json").write_text('{"steps": 3}')
        if isinstance(stage, Evaluation):
            rate = human if "human" in stage.policy.name else 10
            found = (outcome(i < rate, 2.0, i) for i in range(20))
            lines = (json.dumps(asdict(each)) for each in found)
            (stage.artefact / "episodes.jsonl").write_text("\n".join(lines) + "\n")
    assert main([name, "--check"]) == code
    assert main([name]) == 0, "who does not ask for a check is told, and no more"
    content = json.loads((tmp_path / "runs/experiments/own_cpu/results.json").read_text())
    assert [(c["on"], c["verdict"]) for c in content["claims"]] == [
        ("connector/seen", verdict),
        ("connector/unseen", verdict),
    ]
    first = content["claims"][0]
    assert (first["first"], first["second"]) == ("cnn/rldg/4", "cnn/human/4")
    assert (first["values"]["starts"], first["values"]["seeds"]) == (20, 2)
    assert first["values"]["low"] < first["values"]["margin"] < first["values"]["high"]
    assert f"{verdict.capitalize()}. success of cnn/rldg/4 better than" in capsys.readouterr().err


def test_a_check_of_nothing_is_a_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([own(tmp_path, "claims: null"), "--check"])
    assert stopped.value.code == 2
    assert "claims nothing" in capsys.readouterr().err
