# SPDX-License-Identifier: Apache-2.0
"""Bags that turn out to be none when they are read end neither the conversion nor a split."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_bags import write_bag

from rldg_distill.conversion.options import parse
from rldg_distill.conversion.plan import make_conversion_plan
from rldg_distill.conversion.shard import write_shard
from rldg_distill.conversion.workplace import Workplace
from rldg_distill.convert import Converter
from rldg_distill.convert import main as convert
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.identity import name_rank


def pile(folder: Path, bad: int, count: int = 6) -> Path:
    """A run whose first bags by rank, those of val, cannot be converted."""
    bags = [folder / "bags" / f"policy_{i:05d}" for i in range(count)]
    for place, path in enumerate(sorted(bags, key=name_rank)):
        seed = bags.index(path)
        write_bag(path, seed, steps=6, lost_image=2 if place < bad else None)
    return folder


def content(data: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (data / "1.0.0").iterdir()}


@pytest.mark.parametrize(("bad", "workers"), [(1, "1"), (2, "2"), (4, "1")])
def test_val_is_filled_from_sound_bags(
    tmp_path: Path, bad: int, workers: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = pile(tmp_path / "run", bad), tmp_path / "data"
    arguments = [str(run), "--out", str(out), "--workers", workers, "--shard-episodes", "2"]
    assert convert(arguments) == 3
    assert Dataset(out).lengths == {"train": 5 - bad, "val": 1}
    said = capsys.readouterr().err
    assert said.count("rejected") == bad and "names the image stamp" in said
    first = content(out)
    assert convert([*arguments, "--overwrite"]) == 3
    assert content(out) == first
    assert [path.name for path in out.iterdir()] == ["1.0.0"]


def test_too_few_sound_bags_are_refused_with_every_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = pile(tmp_path / "run", bad=3, count=4)
    assert convert([str(run), "--out", str(tmp_path / "data")]) == 1
    said = capsys.readouterr().err
    assert "one episode cannot fill the splits" in said
    assert said.count("names the image stamp") == 3


class Killed(BaseException):
    """What would have come after it did not."""


def test_a_kill_after_the_second_plan_began_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, whole, out = pile(tmp_path / "run", 1), tmp_path / "whole" / "plugs", tmp_path / "plugs"
    arguments = [str(run), "--workers", "1", "--shard-episodes", "2", "--out"]
    assert convert([*arguments, str(whole)]) == 3
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Converter, "_finish", lambda *_: (_ for _ in ()).throw(Killed))
        convert([*arguments, str(out)])
    capsys.readouterr()
    assert convert([*arguments, str(out)]) == 3
    assert "going on: 3 of 3 shards are done" in capsys.readouterr().err
    assert content(out) == content(whole)


def test_what_an_older_plan_found_does_not_count_for_other_bags(tmp_path: Path) -> None:
    run, out = pile(tmp_path / "run", 1), tmp_path / "data"
    options, paths = parse([str(run), "--out", str(out)])
    plan, workplace = make_conversion_plan(paths, options), Workplace(out)
    with workplace.claimed():
        workplace.resume(plan.fingerprint(), plan.fingerprint())
        workplace.keep_bad("another", {"x": "y"})
        assert workplace.found_bad(plan.fingerprint()) == {}
        workplace.resume(plan.fingerprint(), plan.fingerprint())
        for shard in plan.shards:
            list(write_shard(shard, plan.recipe, workplace))
    assert convert([str(run), "--out", str(out)]) == 3
    (workplace.out / "x").mkdir()
    assert Dataset(out).lengths == {"train": 4, "val": 1}


@pytest.mark.parametrize("place", ["find_foreign", "camera_topics", "read"])
def test_one_bags_exception_is_that_bags(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever nobody thought of, while planning and after."""
    from rldg_distill.conversion import shard
    from rldg_distill.recordings import bag_storage, cameras

    run = pile(tmp_path / "run", 0)
    bad = run / "bags" / "policy_00003"
    module = {"find_foreign": bag_storage, "camera_topics": cameras, "read": shard}
    name = {"find_foreign": "files_of", "camera_topics": "messages", "read": "read_episode"}
    there = getattr(module[place], name[place])

    def broken(path: Path, *rest: object) -> object:
        if path == bad:
            raise ZeroDivisionError("nobody thought of it")
        return there(path, *rest)

    monkeypatch.setattr(module[place], name[place], broken)
    code = convert([str(run), "--out", str(tmp_path / "data"), "--workers", "1"])
    assert code in (0, 3) and (code == 3 or place != "read")
    if place == "read":
        assert "nobody thought of it" in capsys.readouterr().err
