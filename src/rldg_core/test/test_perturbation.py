# SPDX-License-Identifier: Apache-2.0
"""Perturbations as they are typed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from rldg_core.perturbation import (
    AXES,
    EXAMPLE,
    NOMINAL,
    Perturbation,
    help_text,
    read_perturbation,
)
from rldg_core.user_error import UserError

READ = {
    "light:0.5": 0.5,
    "colours:50%": 0.5,
    "texture:1": 1.0,
    "camera:5mm": 0.005,
    "camera_turn:2deg": math.radians(2.0),
    "clearance:-0.1mm": -0.0001,
    "friction:-50%": -0.5,
    "board:1.5cm": 0.015,
    "noise:0.002m": 0.002,
    "force_noise:2N": 2.0,
    "image_noise:.1": 0.1,
    "latency:0.1s": 0.1,
}


@pytest.mark.parametrize("text", READ)
def test_every_axis_is_read_and_shown(text: str) -> None:
    name = text.partition(":")[0]
    perturbation = read_perturbation(text)
    assert getattr(perturbation, name) == pytest.approx(READ[text], rel=1e-5)
    assert perturbation == Perturbation(**{name: getattr(perturbation, name)}), "and nothing else"
    assert read_perturbation(str(perturbation)) == perturbation


def test_no_axis_was_forgotten() -> None:
    assert {text.partition(":")[0] for text in READ} == set(AXES)


@pytest.mark.parametrize("name", AXES)
def test_values_worth_trying_and_the_ends_of_the_range_are_valid(name: str) -> None:
    axis = AXES[name]
    values = [axis.read(text) for text in axis.sweep.split(",")]
    assert values == sorted(set(values)) and 0.0 in values
    for value in (axis.low, axis.high):
        assert axis.read(axis.show(value)) == value


def test_several_in_any_order_and_unit_are_one_text() -> None:
    perturbation = read_perturbation("latency:0.1s, camera:0.7cm")
    assert perturbation == read_perturbation("camera:7mm,latency:100ms")
    assert str(perturbation) == "camera:7mm,latency:100ms"


@pytest.mark.parametrize("text", ["", "camera:0", "friction:0%,board:0mm"])
def test_nothing_is_nominal(text: str) -> None:
    assert read_perturbation(text) == NOMINAL and str(read_perturbation(text)) == ""
    assert read_perturbation(EXAMPLE) != NOMINAL


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("weather:3", "there is no axis 'weather'"),
        ("camera", "camera: '' is not valid"),
        ("camera:5", r"'5' is not valid: it takes a number with its unit (mm, cm, m)"),
        ("camera:5deg", "'5deg' is not valid"),
        ("camera:mm", "'mm' is not valid"),
        ("camera:nan", "'nan' is not valid"),
        ("camera:inf", "'inf' is not valid"),
        ("light:0.5:1", "'0.5:1' is not valid"),
        ("light:0.5mm", r"it takes a number with its unit (no unit, %)"),
        ("light:2", "2 is out of range: 0 to 1"),
        ("camera:-1mm", "-1mm is out of range: 0mm to 50mm"),
        ("clearance:-2mm", "-2mm is out of range: -1mm to 5mm"),
        ("camera:1mm,camera:2mm", "names camera twice"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        read_perturbation(text)
    assert message in str(error.value)
    if "twice" not in message:
        assert help_text() in str(error.value) and EXAMPLE in help_text()


def test_the_help_says_what_every_number_means() -> None:
    for name, axis in AXES.items():
        assert any(
            name in line and axis.range in line and axis.meaning in line
            for line in help_text().splitlines()
        )


def test_the_page_has_the_same_table() -> None:
    page = (Path(__file__).parents[3] / "docs" / "how-to" / "robustness.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `") and " to " in line]
    starts = [f"| `{name}` | {axis.range} | {axis.meaning} | " for name, axis in AXES.items()]
    assert len(rows) == len(starts)
    assert all(row.startswith(start) for row, start in zip(rows, starts, strict=True))


def test_looks_are_perturbed_or_drawn() -> None:
    assert read_perturbation("latency:20ms", randomize=True).latency == 0.02
    for name in ("light:1", "colours:1", "texture:1", "camera:1mm", "camera_turn:1deg"):
        with pytest.raises(UserError, match="leave it out, or those axes"):
            read_perturbation(name, randomize=True)


def test_a_number_out_of_range_is_refused_however_it_comes() -> None:
    with pytest.raises(UserError, match="latency of -1 is out of range"):
        Perturbation(latency=-1)
