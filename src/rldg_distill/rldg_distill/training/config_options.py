# SPDX-License-Identifier: Apache-2.0
"""A dataclass is the command line and its table in the docs: a field's docstring is the help text of its option."""

from __future__ import annotations

import argparse
import ast
import inspect
import textwrap
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from rldg_core.commands.argument_types import LARGEST, place, real, seed_value, whole

TYPES: dict[type, Any] = {
    int: whole(-LARGEST),
    float: real(-1e30, 1e30),
    str: str,
    Path: place,
}
"""how a field's text is read; the dataclass itself knows its range"""


def documented(kind: type) -> dict[str, str]:
    """The docstring under every field of a dataclass and of those that it inherits from."""
    texts: dict[str, str] = {}
    for owner in reversed(kind.__mro__[:-1]):
        tree = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                name, content = ast.unparse(field.target), ast.literal_eval(text.value)
                texts[name] = " ".join(content.split())
    return texts


def option_name(name: str) -> str:
    """The option of a field."""
    return "--" + name.replace("_", "-")


def add_options(parser: argparse._ArgumentGroup, config: Any, hidden: Iterable[str] = ()) -> None:
    """Give a parser an option for every field of a dataclass's instance, which holds the defaults that help shows.

    An option that is not typed in stays out of the result.
    """
    kind = type(config)
    hints, texts = get_type_hints(kind), documented(kind)
    for field in fields(kind):
        if field.name in hidden:
            continue
        shown = _shown(getattr(config, field.name)).strip("`")
        hint = hints[field.name]
        text = texts[field.name].replace("%", "%%")
        settings: dict[str, Any] = {
            "default": argparse.SUPPRESS,
            "help": f"{text} ({shown})" if shown else text,
        }
        if hint is bool:
            parser.add_argument(
                option_name(field.name), action=argparse.BooleanOptionalAction, **settings
            )
            continue
        if getattr(hint, "__origin__", None) is tuple:
            settings["nargs"] = "+"
            hint = get_args(hint)[0]
        kind_of_value = seed_value if field.name == "seed" else TYPES[_plain(hint)]
        parser.add_argument(
            option_name(field.name), type=kind_of_value, metavar=_metavar(hint), **settings
        )


def options_table(config: Any, hidden: Iterable[str] = ()) -> str:
    """The fields of a dataclass's instance as a table in Markdown, its values as defaults."""
    texts = documented(type(config))
    rows = [
        f"| `{option_name(field.name)}` | {_shown(getattr(config, field.name))} | {texts[field.name]} |"
        for field in fields(config)
        if field.name not in hidden
    ]
    return "\n".join(["| option | default | |", "|---|---|---|", *rows])


def _plain(hint: Any) -> Any:
    """The type that is not None."""
    inner = [part for part in get_args(hint) if part is not type(None)]
    return inner[0] if inner else hint


def _metavar(hint: Any) -> str:
    return {int: "N", float: "X", str: "NAME", Path: "PATH"}[_plain(hint)]


def _shown(value: Any) -> str:
    if value is None or value in ((), ""):
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return f"`{' '.join(map(str, value))}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
