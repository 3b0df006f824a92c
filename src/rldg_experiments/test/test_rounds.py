# SPDX-License-Identifier: Apache-2.0
"""Rounds of DAgger in an experiment: which stages there are, what they need, and which experiments cannot have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from planned import accept, every_stage, own

from rldg_experiments.experiment import ExperimentError, load
from rldg_experiments.plan import ExperimentPlan, make_experiment_plan
from rldg_experiments.rounds import LabelsDataset, OwnEpisodes, RoundTraining
from rldg_experiments.stages import StudentTraining

ROUNDS = """
base: demo
data: {human: null, rldg: {episodes: 8}}
students: {cnn: {rounds: 2, round_episodes: 4}}
claims: [{better: cnn_round2, than: cnn, on: seen}]
"""


def plan(folder: Path, text: str = ROUNDS) -> ExperimentPlan:
    return make_experiment_plan(load(own(folder, text)))


def test_every_round_is_judged_and_can_be_claimed_about(tmp_path: Path) -> None:
    found = plan(tmp_path)
    seen = [cell.policy for cell in found.cells if cell.source and cell.where == "seen"]
    assert seen == ["cnn", "cnn_round1", "cnn_round2"]
    (claim,) = found.claims
    assert claim.second is not None
    assert (claim.first.policy, claim.second.policy) == ("cnn_round2", "cnn")


def test_a_round_goes_on_from_the_last_student_with_all_labels_so_far(tmp_path: Path) -> None:
    stages = every_stage(plan(tmp_path)).values()
    for stage in stages:
        accept(stage.command)
    last = max((s for s in stages if isinstance(s, RoundTraining)), key=lambda s: len(s.labels))
    assert isinstance(last.before, RoundTraining)
    first = last.before.before
    assert type(first) is StudentTraining
    words = last.command.words
    assert words[1:4] == tuple(str(d.artefact) for d in (last.dataset, *last.labels))
    assert f"runs/{last.before.name}" in words
    own_ones = [labels.labels.of for labels in last.labels]
    assert [each.student for each in own_ones] == [first, last.before]
    assert own_ones[0].seed != own_ones[1].seed, "other starts in every round"
    for each in own_ones:
        assert "status:=all" in each.command.words and "episodes:=4" in each.command.words
    for labels in last.labels:
        assert "--status all" in str(labels.command)
        assert "--status all" in str(labels.labels.command)
        assert {s.task for s in labels.labels.specialists} == set(labels.labels.of.tasks)


def test_more_rounds_keep_the_stages_of_the_fewer(tmp_path: Path) -> None:
    none = every_stage(
        plan(tmp_path, ROUNDS.replace("rounds: 2", "rounds: 0").split("claims")[0] + "claims: []")
    )
    two = every_stage(plan(tmp_path))
    three = every_stage(plan(tmp_path, ROUNDS.replace("rounds: 2", "rounds: 3")))
    assert none.keys() < two.keys() < three.keys()
    kinds = [type(stage) for name, stage in three.items() if name not in two]
    for kind in (OwnEpisodes, LabelsDataset, RoundTraining):
        assert kinds.count(kind) == 1


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("rounds: 2", "rounds: -1", "students.cnn.rounds: must be 0 or more"),
        ("round_episodes: 4", "round_episodes: 3", "round_episodes: must be 4 or more"),
        ("round_episodes: 4", "options: {init: x}", "options.init: every round has its own"),
        (
            "round_episodes: 4}}",
            "}, cnn_round1: {student: cnn}}",
            "students: names cnn_round1 twice",
        ),
        ("data", "tasks: {fmb_assembly: {train: [rectangle]}}\ndata", "before the hand-over"),
        ("than: cnn,", "than: cnn_round3,", "no arm 'cnn_round3'"),
    ],
)
def test_a_mistake_is_named_before_anything_runs(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    assert before in ROUNDS
    with pytest.raises(ExperimentError, match=said):
        plan(tmp_path, ROUNDS.replace(before, after, 1))
