# SPDX-License-Identifier: Apache-2.0
"""A public function that raises an error of ours says so: its docstring has a `Raises:` section that names it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from source_imports import ROOT, modules

BUILT_IN = ("Exception", "RuntimeError", "ValueError", "OSError", "LookupError")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def our_errors() -> dict[str, set[str]]:
    """The packages' exceptions by name, each with those of ours that it is one of, itself included."""
    bases = {
        node.name: {ast.unparse(base).split(".")[-1] for base in node.bases}
        for path in modules().values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    found = set(BUILT_IN)
    while more := {name for name, above in bases.items() if above & found} - found:
        found |= more

    def line(name: str) -> set[str]:
        above = (line(base) for base in bases.get(name, ()) if base in found)
        return {name}.union(*above) - set(BUILT_IN)

    return {name: line(name) for name in found & bases.keys()}


def public_functions(node: ast.AST) -> Iterator[Function]:
    """Functions and methods that somebody else calls: a program's `main` ends in an exit code instead."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child)
        elif isinstance(child, Function) and child.name != "main" and child.name[0] != "_":
            yield child


def raised(node: ast.AST) -> set[str]:
    """Names of what a function raises itself, and does not catch; what a function within it raises is that one's."""
    found: set[str] = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, ast.Raise) and isinstance(child.exc, ast.Call):
            found.add(ast.unparse(child.exc.func).split(".")[-1])
        below = raised(child)
        if isinstance(child, ast.Try):
            caught = {ast.unparse(h.type) for h in child.handlers if h.type}
            below -= caught - {name for h in child.handlers for name in raised(h)}
        found |= below
    return found


def says(function: Function, names: set[str]) -> bool:
    """Whether a docstring names one of the errors where it says what is raised, or leaves that to another's."""
    docstring = ast.get_docstring(function) or ""
    raises = docstring.partition("Raises")[2]
    return docstring.startswith("See `") or any(name in raises for name in names)


def test_what_is_raised_is_said() -> None:
    ours = our_errors()
    assert {"UserError", "StackError", "RunFolderError", "PoolError", "FormatError"} <= ours.keys()
    silent = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name} raises {error}"
        for path in modules().values()
        for function in public_functions(ast.parse(path.read_text()))
        for error in sorted(raised(function) & ours.keys())
        if not says(function, ours[error])
    ]
    assert not silent, "\n".join(silent)


def test_the_errors_of_a_person_have_one_base() -> None:
    ours = our_errors()
    for name in ("FormatError", "UsageError", "RunFolderError", "StackError", "PoolError", "InUse"):
        assert "UserError" in ours[name], name
    assert "NotADataset" in ours["NoDataset"] and "UserError" not in ours["RobotSilent"]
