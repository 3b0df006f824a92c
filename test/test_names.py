# SPDX-License-Identifier: Apache-2.0
"""Each name means one thing, and is a word of the field."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections import defaultdict
from pathlib import Path

from source_imports import ROOT, modules

PRIVATE = re.compile(r"(?<![a-z])(told|lived|wish|wishes|nobody|wheel)(?![a-z])", re.IGNORECASE)
"""words of the authors that explain nothing to others"""
STORED = {"told"}
"""a key of every dataset's contract.json, read as the field of that name"""


def public_classes() -> dict[str, list[str]]:
    """The modules of the packages that define a public class of a name."""
    found = defaultdict(list)
    for module, path in modules().items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(module)
    return found


def test_a_class_name_means_one_thing() -> None:
    classes = public_classes()
    assert len(classes) > 200
    assert {name: where for name, where in classes.items() if len(where) > 1} == {}


def private_words(text: str) -> set[str]:
    """Identifiers of a Python text with a word that only its authors understand."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    return {name for name in names if PRIVATE.search(_apart(name))} - STORED


def _apart(name: str) -> str:
    """The words of an identifier, a space between them."""
    return re.sub(r"_|(?<=[a-z])(?=[A-Z])", " ", name)


def test_identifiers_are_words_of_the_field() -> None:
    listed = subprocess.check_output(["git", "ls-files", "*.py"], cwd=ROOT, text=True)
    files = [path for name in listed.split() if (path := Path(ROOT, name)).exists()]
    assert len(files) > 300
    found = {str(path): words for path in files if (words := private_words(path.read_text()))}
    assert found == {}


def test_private_words_are_found() -> None:
    text = "def test_it_is_told(gripper_wish): return swish.unfolded_wheels(RunLived)"
    assert private_words(text) == {"test_it_is_told", "gripper_wish", "RunLived"}
