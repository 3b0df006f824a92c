# SPDX-License-Identifier: Apache-2.0
"""The functions, classes and tests that the reference pages name exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
FILES = [file for file in ROOT.glob("src/*/*/**/*.py") if "build" not in file.parts]


def defined() -> set[str]:
    """`function`, `Class`, `Class.member`, `module.function`, `test_file.py::test` of all packages."""
    names: set[str] = set()
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            names |= {node.name, f"{file.stem}.{node.name}", f"{file.name}::{node.name}"}
            if isinstance(node, ast.ClassDef):
                members = {name for part in node.body for name in _names(part)}
                names |= {f"{node.name}.{name}" for name in members}
                names |= {f"{file.stem}.{node.name}.{name}" for name in members}
    return names


def _names(part: ast.stmt) -> list[str]:
    """Of a method or a field, and of the attributes that a method sets."""
    if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
        return [part.target.id]
    if not isinstance(part, ast.FunctionDef):
        return []
    attributes = [
        node.attr
        for node in ast.walk(part)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    return [part.name, *attributes]


@pytest.fixture(scope="module")
def names() -> set[str]:
    return defined()


def test_gradients(names: set[str]) -> None:
    text = (REFERENCE / "gradients.md").read_text()
    named = re.findall(r"`([A-Za-z_]\w*\.py::\w+|_?[A-Z]\w+(?:\.\w+)?|_[a-z]+(?:_[a-z]+)+)`", text)
    assert len(named) > 25
    private = {name for file in FILES for name in re.findall(r"self\.(_\w+)", file.read_text())}
    assert [name for name in named if name not in names | private] == []


def test_metrics(names: set[str]) -> None:
    rows = [line for line in (REFERENCE / "metrics.md").read_text().splitlines() if "|" in line]
    named = {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[4])}
    assert len(named) > 30
    assert sorted(named - names) == []


def test_files_that_pages_name() -> None:
    pages = (ROOT / "docs").rglob("*.md")
    named = {
        path for page in pages for path in re.findall(r"`(rldg_\w+/[\w/]+\.py)`", page.read_text())
    }
    assert len(named) > 20
    missing = {path for path in named if not (ROOT / "src" / path.split("/")[0] / path).is_file()}
    assert sorted(missing) == []
