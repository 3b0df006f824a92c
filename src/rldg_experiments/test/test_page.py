# SPDX-License-Identifier: Apache-2.0
"""The YAMLs on the pages are experiments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rldg_experiments.experiment import load
from rldg_experiments.plan import make_experiment_plan

DOCS = Path(__file__).parents[3] / "docs"
PAGES = (DOCS / "how-to" / "experiments.md", *sorted(DOCS.glob("results/*/README.md")))
WHOLE = [
    block
    for page in PAGES
    for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    if block.startswith(("base:", "description:"))
]


@pytest.mark.parametrize("text", WHOLE)
def test_an_experiment_on_a_page_can_be_planned(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    assert make_experiment_plan(load(str(path))).targets


def test_there_are_some() -> None:
    assert len(WHOLE) > 5
