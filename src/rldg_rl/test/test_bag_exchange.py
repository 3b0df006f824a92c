# SPDX-License-Identifier: Apache-2.0
"""Tests of bags on their way to another machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldg_msgs.srv import NextBag
from rldg_rl.episodes.bag_exchange import give, keep
from rldg_rl.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Two closed bags, one that is open, and one that is being mended."""
    run = RunFolder(tmp_path / "robot")
    run.prepare()
    for name in ("demonstration_00000", "policy_00000", "policy_00001", ".recovering"):
        (run.bags / name).mkdir()
        (run.bags / name / f"{name}.mcap").write_bytes(name.encode() + bytes(range(256)))
    for name in ("demonstration_00000", "policy_00000", ".recovering"):
        (run.bags / name / "metadata.yaml").write_text(f"of: {name}\n")
    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_all_closed_bags_arrive_bit_for_bit(run: RunFolder, tmp_path: Path) -> None:
    there = RunFolder(tmp_path / "gpu")
    there.prepare()
    names: list[str] = []
    while (given := give(run, NextBag.Request(have=names))).name:
        names.append(keep(there, given).name)

    assert names == ["demonstration_00000", "policy_00000"]
    expected = {
        name: data for name, data in contents(run.bags).items() if name.split("/")[0] in names
    }
    assert contents(there.bags) == expected
    assert sorted(bag.name for bag in there.bags.iterdir()) == names


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden"])
def test_a_name_cannot_lead_out_of_the_run(run: RunFolder, name: str) -> None:
    before = contents(run.path.parent)
    with pytest.raises(ValueError, match="no name of a bag"):
        keep(run, NextBag.Response(name=name, metadata="x"))
    assert contents(run.path.parent) == before
