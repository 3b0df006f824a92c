# SPDX-License-Identifier: Apache-2.0
"""docs/architecture.md lists every module of the tree, in the words of its own first sentence."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from source_imports import PACKAGES, ROOT, modules

SCRIPT = ROOT / "docs" / "modules.py"
PAGE = ROOT / "docs" / "architecture.md"


def test_the_lists_are_those_of_the_tree() -> None:
    """To mend it: python docs/modules.py."""
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_is_listed() -> None:
    page = PAGE.read_text()
    for package in PACKAGES:
        listed = re.split(r"\n(?:### |<!-- end)", page.partition(f"### `{package}`\n")[2])[0]
        names = sorted(line.split("`")[1] for line in listed.splitlines() if line.startswith("| `"))
        there = sorted(
            name.split(".")[-1]
            for name, path in modules().items()
            if name.split(".")[0] == package and path.name != "__init__.py"
        )
        assert names == there, package


def test_an_outdated_list_is_reported_and_rewritten(tmp_path: Path) -> None:
    docs, package = tmp_path / "docs", tmp_path / "src" / "rldg_core" / "rldg_core"
    docs.mkdir()
    (docs / "modules.py").write_bytes(SCRIPT.read_bytes())
    (docs / "architecture.md").write_bytes(PAGE.read_bytes())
    for name in PACKAGES:
        folder = tmp_path / "src" / name / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text('"""A package."""\n')
    (package / "new.py").write_text('"""What is new | here: e.g. this. And more."""\n')

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, docs / "modules.py", *words],
            capture_output=True,
            text=True,
            check=False,
        )

    old = run("--check")
    assert old.returncode == 1 and "run `python docs/modules.py`" in old.stdout
    assert run().returncode == 0 and run("--check").returncode == 0
    page = (docs / "architecture.md").read_text()
    assert "| `new` | What is new \\| here: e.g. this. |\n" in page
    assert "## After `kill -9`" in page and "contract" not in page.split("### ")[1]
    (package / "new.py").write_text("x = 1\n")
    assert "no docstring" in run("--check").stderr
