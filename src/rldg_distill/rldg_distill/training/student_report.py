# SPDX-License-Identifier: Apache-2.0
"""What a distillation leaves for people: `summary.json` and a picture of the loss curve."""

from __future__ import annotations

import json
from typing import Any

import matplotlib

from rldg_core.files.atomic_file import write_atomically
from rldg_distill.training import training_state
from rldg_distill.training.student_run import StudentRun
from rldg_distill.training.trainer import Trainer
from rldg_distill.training.training_config import plain

matplotlib.use("Agg")
from matplotlib import pyplot

matplotlib.rcParams["text.parse_math"] = False  # names may have a $


def summarize_training(trainer: Trainer, finished: bool) -> dict[str, Any]:
    """What came out, for `summary.json`."""
    student, progress, world = trainer.student, trainer.progress, trainer.world
    lines = [line for line in trainer.run.lines() if "loss" in line]
    return {
        "student": student.name,
        "finished": finished,
        "steps": progress.step,
        "samples": progress.step
        * trainer.config.batch_size
        * trainer.config.accumulate
        * world.ranks,
        "wall_seconds": round(progress.seconds, 1),
        "samples_per_second": round(lines[-1]["samples_per_second"], 1) if lines else None,
        "device": str(world.device),
        "processes": world.ranks,
        "parameters": training_state.count_parameters(student),
        "trained_parameters": training_state.count_parameters(student, moved=True),
        "loss_kind": trainer.kind,
        "training_loss": lines[-1]["loss"] if lines else None,
        "validation": progress.best_validation or progress.validation,
        "best_validation_loss": progress.best,
        "data": student.data.fingerprints,
        "instructions": list(student.data.instructions),
        "training": plain(trainer.config),
        "config": plain(student.config),
    }


def write(run: StudentRun, summary: dict[str, Any]) -> None:
    """Write `summary.json` and `loss_curve.png`."""
    write_atomically(run.summary, json.dumps(summary, indent=2) + "\n")
    lines = run.lines()
    trained = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    judged = [(line["step"], line["validation"]["loss"]) for line in lines if "validation" in line]
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for points, label, style in ((trained, "training", "-"), (judged, "validation", "o-")):
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label, markersize=3)
    axes.set(xlabel="update", ylabel=f"loss ({summary['loss_kind']})", title=run.path.name)
    if all(value > 0 for _, value in trained + judged):
        axes.set_yscale("log")
    if trained or judged:
        axes.legend()
    figure.tight_layout()
    figure.savefig(run.curve, dpi=120)
    pyplot.close(figure)
