# SPDX-License-Identifier: Apache-2.0
"""`experiment draw`: several results.json in one picture, and one line for a file that is none."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from damaged import damage_json
from matplotlib import pyplot
from PIL import Image

from rldg_core.user_error import UserError
from rldg_experiments.command_line import main
from rldg_experiments.figures import success_bars
from rldg_experiments.results_file import read_together

FIG4 = Path(__file__).parents[3] / "docs" / "results" / "fig4"
FILES = sorted(FIG4.glob("results*.json"))


def test_fig4_is_drawn_from_its_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "all.png"
    assert main(["draw", *map(str, FILES), "--out", str(out)]) == 0
    assert f"40 bars in {out}" in capsys.readouterr().err
    with Image.open(out) as drawn:
        assert drawn.format == "PNG"
        colours = {pixel for _, pixel in drawn.convert("RGB").getcolors(1 << 24) or []}
    assert {(224, 130, 20), (33, 102, 172), (153, 153, 153)} <= colours, "all three sources"


def test_every_bar_has_the_height_that_its_file_says() -> None:
    together = read_together(FILES)
    assert together.families == ("connector", "fmb_insertion", "pick_place", "fmb_assembly")
    figure = success_bars(together.rows, together.families)
    heights = [bar.get_height() for axes in figure.axes for bar in axes.patches]
    assert sorted(heights) == sorted(100 * row.all.success.value for row in together.rows)
    names = [text.get_text() for axes in figure.axes for text in axes.get_xticklabels()]
    assert names[:2] == ["connector\nseen", "connector\nunseen"] and len(names) == 8
    pyplot.close(figure)


def test_of_two_files_with_the_same_bar_the_first_is_drawn() -> None:
    plain, mean = (
        FIG4 / "results_octo_fmb_insertion.json",
        FIG4 / "results_octo_fmb_insertion_mean.json",
    )
    first, second = read_together([plain, mean]), read_together([mean, plain])
    assert first.rows == read_together([plain]).rows
    assert second.rows[: len(first.rows)] != first.rows
    assert [line for line in first.left_out if "octo rldg is drawn from" in line] == [
        f"{mean}: fmb_insertion {where} octo rldg is drawn from {plain}"
        for where in ("seen", "unseen")
    ]
    assert not read_together([plain, FIG4 / "results_octo_pick_place.json"]).left_out


def test_only_the_largest_number_of_episodes_is_drawn(tmp_path: Path) -> None:
    content = json.loads(FILES[0].read_text())
    fewer = [row | {"training_episodes": 3} for row in content["results"]]
    content["experiment"]["episodes"] = [3, 150]
    path = tmp_path / "several.json"
    path.write_text(json.dumps(content | {"results": fewer + content["results"]}))
    assert read_together([path]).rows == read_together(FILES[:1]).rows


def _set(*keys: Any, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("results", 0, "source", to="the moon"), "source 'the moon' is none of human, rldg"),
        (_set("results", 0, "family", to="laundry"), "laundry seen is not among"),
        (_set("results", 0, "where", to="dreamt"), "is not among the experiment's tasks"),
        (_set("results", 0, "all", "success", "low", to=1.5), "no share within its interval"),
        (_set("results", 0, "all", to=None), "cannot be used"),
        (_set("results", to=[]), "nothing to draw"),
    ],
)
def test_a_foreign_file_is_one_line(
    change: Callable[[dict[str, Any]], None],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = json.loads(FILES[0].read_text())
    change(content)
    path = tmp_path / "foreign.json"
    path.write_text(json.dumps(content))
    assert main(["draw", str(path), "--out", str(tmp_path / "a.png")]) == 2
    message = capsys.readouterr().err
    assert said in message and len(message.splitlines()) == 1
    assert not (tmp_path / "a.png").exists()


def test_files_and_places_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, real = str(tmp_path / "a.png"), str(FILES[0])
    (tmp_path / "file").touch()
    for words, said, code in (
        ([str(tmp_path / "gone.json"), "--out", out], "gone.json: No such file", 2),
        ([str(tmp_path), "--out", out], "is no file", 2),
        ([real, "--out", str(tmp_path / "a.jpg")], "ends in .png", 2),
        ([real, real, "--out", out], "given twice", 2),
        ([real, "--out", str(tmp_path / "file" / "a.png")], "File exists", 1),
    ):
        assert main(["draw", *words]) == code
        message = capsys.readouterr().err
        assert said in message and len(message.splitlines()) == 1
    for words in (["draw"], ["draw", real], ["draw", "--out", out]):
        with pytest.raises(SystemExit) as stopped:
            main(words)
        assert stopped.value.code == 2


def test_damaged_files_end_in_one_kind_of_error(tmp_path: Path) -> None:
    sound = json.loads(FILES[0].read_text())
    sound = {name: sound[name] for name in ("experiment", "results")}
    rng = random.Random(2)
    for _ in range(200):
        path = tmp_path / "results.json"
        damage_json(rng, path, sound)
        with suppress(UserError):
            read_together([path])
