# SPDX-License-Identifier: Apache-2.0
"""`report.html`: everything that an experiment found in one file that needs no other."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from rldg_core.files.atomic_file import write_atomically
from rldg_experiments import evaluation, paper
from rldg_experiments.claims import PlannedClaim
from rldg_experiments.evaluation import Interval
from rldg_experiments.figures import draw_figure
from rldg_experiments.plan import ExperimentPlan
from rldg_experiments.results import Figures, JudgedClaim, Results
from rldg_experiments.verdict import HELD, OPEN, REVERSED

MOST_VIDEO_BYTES = 9_000_000
"""of all videos together: a third more in the file, which is to stay below 15 MB"""
WORDS = {HELD: "Held.", REVERSED: "Reversed.", OPEN: "Open."}


def write(results: Results, folder: Path) -> None:
    """Write `report.html`, `results.json` and `figures/`."""
    plan = results.plan
    pictures = folder / "figures"
    pictures.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "results.json", results.json())
    drawings = [draw_figure(name, results) for name in plan.experiment.figures]
    for drawing in drawings:
        write_atomically(pictures / f"{drawing.name}.png", drawing.png)
    videos = list(_videos(plan))
    shown = [(path, caption) for path, caption, fits in videos if fits]
    families = plan.experiment.tasks
    html = (
        Environment(
            loader=PackageLoader("rldg_experiments", ""),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
        )
        .get_template("report.html.j2")
        .render(
            experiment=plan.experiment,
            date=date.today().isoformat(),
            claims=results.claims,
            words=WORDS,
            claim_text=claim_text,
            decision_text=decision_text,
            rate=success_text,
            seconds=cycle_time_text,
            throughput=throughput_text,
            newtons=peak_force_text,
            figures=[
                {"title": d.title, "text": d.text, "uri": data_uri("image/png", d.png)}
                for d in drawings
            ],
            rows=results.rows,
            paper=[number for number in paper.numbers() if number.family in families],
            sources=results.data,
            trainings=results.trainings,
            videos=[
                {"caption": caption, "uri": data_uri("video/mp4", path.read_bytes())}
                for path, caption in shown
            ],
            left_out=len(videos) - len(shown),
            stages=results.notes,
            total=hours_minutes_seconds(sum(note.seconds for note in results.notes.values())),
            other_code=results.other_code,
        )
    )
    write_atomically(folder / "report.html", html)


def _videos(plan: ExperimentPlan) -> Iterator[tuple[Path, str, bool]]:
    """One of every cell with its caption, and whether it fits in."""
    room = MOST_VIDEO_BYTES
    for cell in plan.cells:
        first = cell.evaluations[0]
        path = evaluation.video(first.artefact)
        if not path.is_file():
            continue
        learned = f" from {cell.episodes} {cell.source} episodes" if cell.source else ""
        size = path.stat().st_size
        fits = size <= room
        room -= size if fits else 0
        yield path, f"{cell.policy}{learned}, {first.task} ({cell.where})", fits


def claim_text(claim: PlannedClaim) -> str:
    """What is claimed, in words: 'success of cnn/rldg/150 better than of cnn/human/150, connector/seen'."""
    settings, metric = claim.settings, claim.settings.metric
    subject = f"{metric.words} of {claim.first}"
    if settings.better:
        by = f" by more than {metric.shown(settings.by)}" if settings.by else ""
        return f"{subject} better{by} than of {claim.second}, {claim.on}"
    assert settings.bound is not None
    bound = (
        f"{settings.bound:g} times that of {claim.second}"
        if claim.second
        else metric.shown(settings.bound)
    )
    return f"{subject} {'at least' if settings.at_most is None else 'at most'} {bound}, {claim.on}"


def decision_text(judged: JudgedClaim) -> str:
    """What decides it, in words: '98 % and 62 %, margin +36 % [+27 %, +44 %], 150 starts, 1 seed'."""
    decision, metric = judged.decision, judged.claim.settings.metric
    values = " and ".join(
        metric.shown(v) for v in (decision.first, decision.second) if v is not None
    )
    counts = f"{decision.starts} starts, {decision.seeds} seed{'s' * (decision.seeds != 1)}"
    if decision.margin is None:
        return f"no episode tells; {counts}"
    margin = f"margin {metric.shown(decision.margin, signed=True)}"
    if decision.low is None or decision.high is None:
        return f"{values}, {margin}, too few for an interval; {counts}"
    low, high = (metric.shown(end, signed=True) for end in (decision.low, decision.high))
    return f"{values}, {margin} [{low}, {high}]; {counts}"


def success_text(figures: Figures) -> str:
    """Success in words: '85 of 100 (85 % [77, 91])'."""
    success = figures.success
    return (
        f"{figures.successes} of {figures.episodes} ({100 * success.value:.0f} % "
        f"[{100 * success.low:.0f}, {100 * success.high:.0f}])"
    )


def cycle_time_text(figures: Figures) -> str:
    """Cycle time in words."""
    return _interval_text(figures.cycle_seconds, 2)


def throughput_text(figures: Figures) -> str:
    """Successes per 10 minutes in words."""
    return _interval_text(figures.successes_per_10_minutes, 1)


def peak_force_text(figures: Figures) -> str:
    """Peak force per success in words."""
    return _interval_text(figures.peak_force_per_success, 1)


def _interval_text(found: Interval | None, digits: int) -> str:
    if found is None:
        return "–"
    low, high = (f"{limit:.{digits}f}" for limit in (found.low, found.high))
    return f"{found.value:.{digits}f} [{low}, {high}]"


def hours_minutes_seconds(duration: float) -> str:
    """Seconds as h:mm:ss."""
    return str(timedelta(seconds=round(duration)))


def data_uri(kind: str, content: bytes) -> str:
    """A file's content in place of its address."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
