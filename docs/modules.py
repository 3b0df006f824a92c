# SPDX-License-Identifier: Apache-2.0
"""Writes the lists of modules in architecture.md, from the first sentence of every file.

python docs/modules.py            write them
python docs/modules.py --check    exit code 1 if they are not those of the tree
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).parent
PAGE = DOCS / "architecture.md"
SOURCES = DOCS.parent / "src"
PACKAGES = (
    *("rldg_core", "rldg_robot", "rldg_rl", "rldg_distill", "rldg_experiments", "rldg_bringup"),
)
"""from those that know nobody to those that know names alone"""
BEGIN = "<!-- The lists from here on are written by `python docs/modules.py`: edit the docstrings, not the lists. -->"
END = "<!-- end of the lists -->"


def first_sentence(path: Path) -> str:
    """Of a file's docstring, in one line.

    Raises:
        ValueError: it has none.
    """
    said = ast.get_docstring(ast.parse(path.read_text()))
    if not said:
        raise ValueError(f"{path} has no docstring to list it by")
    paragraph = " ".join(said.split("\n\n")[0].split())
    sentence = re.split(r"(?<=[^.]{3}[.?!]) (?=[A-Z`])", paragraph)[0]
    return sentence.replace("|", "\\|")


def rows(folder: Path, name: str = "") -> Iterator[str]:
    """A row for every module of a folder, then the same of the folders in it.

    Args:
        folder: of a package or below.
        name: how the folder is called within its package; empty: it is the package.
    """
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield f"| `{path.stem}` | {first_sentence(path)} |"
    for below in sorted(folder.iterdir()):
        if any(below.rglob("*.py")):
            called = f"{name}{below.name}/"
            about = below / "__init__.py"
            yield f"| **`{called}`** | **{first_sentence(about)}** |"
            yield from rows(below, called)


def lists() -> str:
    """A heading and a table for every package."""
    parts = []
    for package in PACKAGES:
        folder = SOURCES / package / package
        about = first_sentence(folder / "__init__.py")
        table = "\n".join(("| module | |", "|---|---|", *rows(folder)))
        parts.append(f"### `{package}`\n\n{about}\n\n{table}\n")
    return "\n".join(parts)


def page(now: str) -> str:
    """The page with the lists as they have to be.

    Raises:
        ValueError: it has no place for them.
    """
    before, begin, rest = now.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE} lacks the marks between which the lists stand")
    return f"{before}{BEGIN}\n\n{lists()}\n{END}{after}"


def main() -> int:
    """Exit code: 0 written, or as it has to be; 1 not as it has to be."""
    now = PAGE.read_text()
    wanted = page(now)
    if "--check" in sys.argv[1:]:
        if now != wanted:
            print(
                "The lists in docs/architecture.md are not those of the tree: run `python docs/modules.py`"
            )
        return int(now != wanted)
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
