# SPDX-License-Identifier: Apache-2.0
"""Bags are chosen by embodiment, region and domain."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_bags import write_bag

from rldg_core.bags.bag_reader import read_summary
from rldg_distill.convert import main
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.condition import read_conditions, unmet

DOMAINS = ("sim", "sim", "lab_a", "lab_a", "sim+camera:5mm", "sim+camera:5mm")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("run")
    for seed, domain in enumerate(DOMAINS):
        write_bag(run / "bags" / f"policy_{seed:05d}", seed=seed, steps=3, domain=domain)
    return run


@pytest.mark.parametrize(
    ("where", "domains"),
    [
        (["domain=lab_a"], {"lab_a"}),
        (["domain!=lab_a"], {"sim", "sim+camera:5mm"}),
        (["domain=sim,domain=lab_a,embodiment=fr3_hand"], {"sim", "lab_a"}),
        (["region=table", "domain=sim+camera:5mm"], {"sim+camera:5mm"}),
    ],
)
def test_those_that_meet_every_condition_are_converted(
    where: list[str], domains: set[str], run: Path, tmp_path: Path
) -> None:
    asked = [word for each in where for word in ("--where", each)]
    assert main([str(run), "--out", str(tmp_path / "data"), *asked]) == 0
    dataset = Dataset(tmp_path / "data")
    found = [e.metadata.domain for name in dataset.shards for e in dataset.episodes(name)]
    assert set(found) == domains and len(found) == 2 * len(domains)
    stored = json.loads(next((tmp_path / "data").rglob("contract.json")).read_text())
    assert stored["filters"]["where"] == ",".join(where).split(",")


def test_without_conditions_a_dataset_says_nothing_of_them(run: Path, tmp_path: Path) -> None:
    assert main([str(run), "--out", str(tmp_path / "data")]) == 0
    stored = json.loads(next((tmp_path / "data").rglob("contract.json")).read_text())
    assert "where" not in stored["filters"]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("domain=lab_b", "left out: 2 with domain lab_a"),
        (
            "domain=lab_a,domain=lab_b",
            "no bag has that domain, they have lab_a, sim, sim+camera:5mm",
        ),
        ("region!=shelf", "no bag has that region, they have table"),
        ("colour=red", "there is no fact 'colour'; there are: embodiment, region, domain"),
        ("domain", "'domain' is no condition: fact=value or fact!=value"),
        ("domain=", "'domain=' is no condition"),
        ("domain=sim,", "'' is no condition"),
        ("domain=sim,domain=sim", "--where"),
    ],
)
def test_what_cannot_be_met_is_refused_with_the_values_there_are(
    where: str, message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main([str(run), "--out", str(tmp_path / "data"), "--where", where])
    except SystemExit as end:
        code = int(str(end.code))
    assert code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_summaries_older_than_the_fields_say_what_those_bags_said(tmp_path: Path) -> None:
    earlier = Path(__file__).parents[2] / "rldg_core/test/data/earlier_bags/bb378dc/policy_00000"
    assert "embodiment" not in (earlier / "metadata.yaml").read_text()
    summary = read_summary(earlier)
    assert (summary.embodiment, summary.region, summary.domain) == ("fr3_hand", "table", "sim")
    assert unmet(read_conditions("domain=sim,embodiment!=other"), summary) is None
