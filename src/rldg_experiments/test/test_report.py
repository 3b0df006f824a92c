# SPDX-License-Identifier: Apache-2.0
"""Results and their report: what is claimed, what is drawn, and that one file holds it all."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib import pyplot
from PIL import Image

from rldg_experiments.cell import Cell
from rldg_experiments.claims import PlannedClaim
from rldg_experiments.evaluation import EpisodeOutcome, cycle_seconds, success_rate
from rldg_experiments.experiment import load
from rldg_experiments.figures import ARTISTS, draw_figure
from rldg_experiments.plan import ExperimentPlan, make_experiment_plan
from rldg_experiments.report import write
from rldg_experiments.results import (
    Data,
    Figures,
    JudgedClaim,
    Results,
    Row,
    Training,
    figures_of,
)
from rldg_experiments.verdict import decide_claim

FIRST_MP4_BYTES = b"\0\0\0\x20ftypisom"


def outcome(success: bool, seconds: float, force: float = 9.0, number: int = 0) -> EpisodeOutcome:
    failure = None if success else "timed out"
    return EpisodeOutcome("connector/vga", success, seconds, force, number, failure)


def episodes(won: int, lost: int) -> list[EpisodeOutcome]:
    return [outcome(True, 2.0 + 0.01 * i, 9.0 + i % 2, i) for i in range(won)] + [
        outcome(False, 10.0, 30.0, won + i) for i in range(lost)
    ]


def figures(won: int, lost: int) -> Figures:
    return figures_of(episodes(won, lost))


def row(cell: Cell, won: int, lost: int) -> Row:
    tasks = {evaluation.task: figures(won, lost) for evaluation in cell.evaluations}
    together = figures(won * len(tasks), lost * len(tasks))
    return Row(cell.family, cell.policy, cell.source, cell.episodes, cell.where, together, tasks)


def results(plan: ExperimentPlan, rates: dict[str, int]) -> Results:
    """As if every cell of a source had won so many of 50 episodes on every task."""
    rows = tuple(row(cell, rates[cell.source], 50 - rates[cell.source]) for cell in plan.cells)
    summary = {"successes": 75, "episodes": 80, "mean_cycle_seconds": 4.2}
    trainings = (
        Training("connector/vga", 0, 1500, 3.04, 6.0, figures(49, 1)),
        Training("connector/usb_a", 0, 2500, 7.04, 6.0, figures(50, 0)),
        Training("connector/ethernet", 0, 1900, None, 6.0, None),
    )
    data = (Data("connector", "human", 0, {"connector/vga": summary}),)
    claims = tuple(claim_of(claim, rates) for claim in plan.claims)
    return Results(plan, rows, data, trainings, claims, {})


def claim_of(claim: PlannedClaim, rates: dict[str, int]) -> JudgedClaim:
    """Decided by such episodes."""

    def arm(source: str) -> dict[tuple[str, int], list[EpisodeOutcome]]:
        return {
            (task, episode.number): [episode]
            for task in {evaluation.task for evaluation in claim.first.evaluations}
            for episode in episodes(rates[source], 50 - rates[source])
        }

    second = None if claim.second is None else {0: arm(claim.second.source)}
    return JudgedClaim(claim, decide_claim(claim.settings, {0: arm(claim.first.source)}, second))


def test_wilson_and_student() -> None:
    rate = success_rate(episodes(95, 5))
    assert (rate.value, round(rate.low, 4), round(rate.high, 4)) == (0.95, 0.8882, 0.9785)
    assert (success_rate(episodes(0, 20)).low, success_rate(episodes(20, 0)).high) == (0.0, 1.0)
    cycle = cycle_seconds(
        [
            outcome(True, 1.0),
            outcome(True, 2.0),
            outcome(True, 3.0),
            outcome(False, 9.0),
        ]
    )
    assert cycle is not None
    assert cycle.value == 2.0
    assert cycle.high == pytest.approx(2.0 + 4.3027 / 3**0.5, abs=1e-3)
    assert cycle_seconds(episodes(1, 5)) is None


def test_throughput_counts_failures_and_resets_and_force_only_successes() -> None:
    found = figures(20, 20)
    busy = sum(2.0 + 0.01 * i for i in range(20)) + 20 * 10.0 + 40 * 1.5
    assert found.successes_per_10_minutes is not None and found.peak_force_per_success is not None
    assert found.successes_per_10_minutes.value == pytest.approx(600 * 20 / busy)
    assert found.successes_per_10_minutes.low < found.successes_per_10_minutes.value
    assert found.peak_force_per_success.value == 9.5
    assert figures(0, 20).peak_force_per_success is None
    assert figures(1, 0).successes_per_10_minutes is None, "no spread, no interval"


def test_the_report_is_one_file_that_says_what_was_found(tmp_path: Path) -> None:
    plan = make_experiment_plan(load("demo"))
    found = results(plan, {"human": 0, "rldg": 48, "": 50})
    write(found, tmp_path)
    html = (tmp_path / "report.html").read_text()
    assert '<strong class="held">Held.</strong>' in html
    said = "success of cnn/rldg/150 better than of cnn/human/150, connector/unseen: 96 % and 0 %"
    assert f"{said}, margin +96 % [+89 %, +98 %]; 100 starts, 1 seed." in html
    assert "96 of 100 (96 % [90, 98])" in html
    assert "100 timed out" in html, "how they failed"
    assert "9.5 [9.4, 9.6]" in html, "newtons"
    assert "134.7 [120.0, 149.4]" in html, "successes per 10 minutes"
    assert "73 of 80" in html and "arXiv:2412.09858" in html
    assert not re.search(r'(src|href)="(?!data:|https://arxiv)', html), "nothing lies elsewhere"
    specialists = html.split("<h2>The specialists</h2>")[1].split("<h2>")[0]
    said = [
        ("49 of 50", "1500", "3.0", "6", "yes"),
        ("7.0", "no"),
        ("not evaluated", "not measured"),
    ]
    for cost, words in zip(re.findall(r"connector/.*?</tr>", specialists, re.S), said, strict=True):
        assert all(f">{word}" in cost for word in words), cost
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(pictures) == len(plan.experiment.figures)
    for picture in pictures:
        Image.open(io.BytesIO(base64.b64decode(picture))).verify()
    content = json.loads((tmp_path / "results.json").read_text())
    assert [claim["verdict"] for claim in content["claims"]] == ["held", "held"]
    assert content["results"][0]["all"]["success"]["low"] > 0.9
    assert {(n["policy"], n["rate"]) for n in content["paper"]} >= {("Octo", 0.625)}


def test_videos_stop_before_the_file_grows_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = make_experiment_plan(load("demo"))
    for cell in plan.cells:
        folder = cell.evaluations[0].artefact / "videos"
        folder.mkdir(parents=True)
        (folder / "evaluation.mp4").write_bytes(FIRST_MP4_BYTES + bytes(4_000_000))
    write(results(plan, {"human": 1, "rldg": 2, "": 3}), tmp_path / "report")
    html = (tmp_path / "report" / "report.html").read_text()
    assert html.count("<video") == 2
    assert f"{len(plan.cells) - 2} more were left out" in html
    assert len(html) < 15_000_000


@pytest.mark.parametrize("name", ["fig4", "fig5", "fig6"])
def test_figures_have_their_marks(name: str) -> None:
    plan = make_experiment_plan(load(name))
    found = results(plan, {"human": 20, "rldg": 45, "": 50})
    for figure in plan.experiment.figures:
        image = Image.open(io.BytesIO(draw_figure(figure, found).png)).convert("RGB")
        colours = {pixel for _, pixel in image.getcolors(1 << 24) or []}
        assert {(224, 130, 20), (33, 102, 172)} <= colours, "human and RLDG"


def test_a_policy_that_never_succeeds_has_no_cycle_time() -> None:
    plan = make_experiment_plan(load("demo"))
    found = results(plan, {"human": 0, "rldg": 45, "": 50})
    assert found.rows[-1].all.cycle_seconds is None or found.rows[1].all.cycle_seconds is None
    assert (
        draw_figure("cycle_time", found).png
        != draw_figure("cycle_time", replace(found, rows=found.rows[:1])).png
    )


def test_legends_call_the_operator_an_operator() -> None:
    found = results(make_experiment_plan(load("fig4")), {"human": 20, "rldg": 45, "": 50})
    figure = ARTISTS["success"][2](found)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    names = {text.get_text() for text in legend.get_texts()}
    assert {"operator", "RLDG", "RL specialists", "paper: Octo RLDG"} <= names
    assert "human" not in names
    pyplot.close(figure)


@pytest.mark.parametrize(("won", "said"), [(0, "no success"), (1, "1 success")])
def test_a_bar_that_is_missing_says_why(won: int, said: str) -> None:
    plan = make_experiment_plan(load("demo"))
    cell = next(cell for cell in plan.cells if cell.source == "human")
    one_task = replace(cell, evaluations=cell.evaluations[:1])
    figure = ARTISTS["cycle_time"][2](Results(plan, (row(one_task, won, 9),), (), (), (), {}))
    assert [text.get_text() for text in figure.axes[0].texts] == [said]
    pyplot.close(figure)


def test_more_students_than_line_styles_are_drawn() -> None:
    plan = make_experiment_plan(load("fig5"))
    names = [f"student_{number}" for number in range(5)]
    many = replace(plan.experiment, students=dict.fromkeys(names, plan.experiment.students["cnn"]))
    found = results(make_experiment_plan(many), {"human": 20, "rldg": 45, "": 50})
    assert draw_figure("scaling", found).png
