# SPDX-License-Identifier: Apache-2.0
"""Sound content made unsound at random places: bytes, and JSON of another shape. The same seed, the same damage."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

DEEP = 5000
ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 2**31, -(2**63), 10**30, 0.5, -1e300, 1e-320),
    *(float("nan"), float("inf"), "", "x", "../../x", "/etc/passwd", "a\0b", "[/]", "7", "nan"),
    *([], [None], [[]], [1, "x"], {}, {"x": None}, [0.5] * 5000),
)
"""what stands in a place of another's"""


def damaged_json(rng: random.Random, content: Any) -> str:
    """A JSON text of which one to three parts are another, missing, or one too many."""
    content = copy.deepcopy(content)
    for _ in range(rng.randint(1, 3)):
        places = list(_places(content))
        if not places:
            return json.dumps(rng.choice(ODD))
        holder, key = rng.choice(places)
        if rng.random() < 0.2:
            del holder[key]
        elif rng.random() < 0.1:
            holder[key] = [holder[key]]
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD))
    if rng.random() < 0.05:
        return "[" * DEEP + json.dumps(content)
    if rng.random() < 0.05:
        return json.dumps(rng.choice(ODD))
    return json.dumps(content)


def _places(content: Any) -> Any:
    """Every place in it: what holds it, and under which key."""
    if isinstance(content, dict):
        keys: Any = list(content)
    elif isinstance(content, list):
        keys = range(min(len(content), 3))
    else:
        return
    for key in keys:
        yield content, key
        yield from _places(content[key])


def damaged_bytes(rng: random.Random, data: bytes) -> bytes:
    """A file with flipped, missing and foreign bytes, or cut short."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed) or 1)
        kind = rng.randrange(5)
        if kind == 0:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            del changed[at : at + rng.randint(1, 64)]
        elif kind == 2:
            changed[at:at] = rng.choice((b"\xff" * 12, b"\0" * 40, rng.randbytes(9)))
        elif kind == 3:
            changed[at : at + 8] = rng.choice((b"\xff" * 8, b"\0" * 8))
        else:
            del changed[at:]
    return bytes(changed)


def damage_json(rng: random.Random, path: Path, content: Any) -> None:
    """Write a damaged one of what a file held."""
    path.write_text(damaged_json(rng, content))
