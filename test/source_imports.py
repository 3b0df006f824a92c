# SPDX-License-Identifier: Apache-2.0
"""What every module of the packages imports, read from its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = sorted(path.parent.name for path in ROOT.glob("src/*/setup.py"))


@cache
def modules() -> dict[str, Path]:
    """The file of every module, by its dotted name; a package's is its `__init__.py`."""
    found = {}
    for package in PACKAGES:
        folder = ROOT / "src" / package
        for path in sorted((folder / package).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str, lazy: bool = False) -> frozenset[str]:
    """What a module imports: modules of the packages by their whole name, others as they are written.

    Args:
        module: its dotted name.
        lazy: also what functions import when they run, and what is imported for types alone.
    """
    tree = ast.parse(modules()[module].read_text())
    nodes = ast.walk(tree) if lazy else _at_import(tree)
    return frozenset(name for node in nodes for name in _names(node))


def way(module: str, target: str) -> list[str]:
    """The shortest chain of imports at import time from a module to a package; empty: there is none."""
    chains, seen = [[module]], {module}
    for chain in chains:
        for name in sorted(imports(chain[-1])):
            if name.split(".")[0] == target:
                return [*chain, name]
            for loaded in _with_parents(name):
                if loaded in modules() and loaded not in seen:
                    seen.add(loaded)
                    chains.append([*chain, loaded])
    return []


def _with_parents(name: str) -> Iterator[str]:
    """A module and the packages around it: importing it runs their `__init__.py`, too."""
    parts = name.split(".")
    return (".".join(parts[: i + 1]) for i in range(len(parts)))


def _at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """Statements that run when a module is imported."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in modules() else node.module
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
        argument = node.args[0]
        if isinstance(argument, ast.Constant):
            yield str(argument.value)
