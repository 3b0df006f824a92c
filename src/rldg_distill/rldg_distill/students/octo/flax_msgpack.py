# SPDX-License-Identifier: Apache-2.0
"""Trees of arrays as `flax.serialization` packs them, read without JAX.

A tree is a msgpack map; an array is extension 1, itself a msgpack list of shape, name of the dtype, and bytes. Reading
makes numbers out of bytes and nothing else: no code of a file is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from rldg_core.user_error import UserError

ARRAY = 1
DEEPEST = 32
"""maps within each other"""
MOST_DIMENSIONS = 16
MOST_NAMES = 1 << 20
"""in a map"""
DTYPES = ("float16", "float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "bool")


class NotFlax(UserError, ValueError):
    """The file is no tree of arrays; the message says why."""


def read(path: Path) -> dict[str, np.ndarray]:
    """Arrays by their path in the tree, `a/b/c`; they share the file's bytes and cannot be written to.

    Raises:
        NotFlax: damaged, of another format, or with numbers that are none.
        OSError: it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise NotFlax(f"{path} is no file")
    try:
        # What is declared takes memory before it is read: no list is longer than a shape.
        tree = msgpack.unpackb(
            path.read_bytes(),
            ext_hook=_array,
            strict_map_key=False,
            max_array_len=MOST_DIMENSIONS,
            max_map_len=MOST_NAMES,
        )
        return dict(_leaves(tree, ()))
    except NotFlax as error:
        raise NotFlax(f"{path}: {error}") from error
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException) as error:
        raise NotFlax(f"{path} is damaged or no msgpack of flax: {error}") from error


def _array(code: int, data: bytes) -> np.ndarray:
    if code != ARRAY:
        raise NotFlax(f"extension {code} is not an array")
    shape, dtype, content = msgpack.unpackb(data, max_array_len=MOST_DIMENSIONS)
    if dtype not in DTYPES:
        raise NotFlax(f"an array of {str(dtype)[:40]!r}; there are: {', '.join(DTYPES)}")
    if not all(isinstance(size, int) and size >= 0 for size in shape):
        raise NotFlax(f"an array of shape {str(shape)[:60]}")
    return np.frombuffer(content, np.dtype(dtype)).reshape(shape)


def _leaves(tree: Any, path: tuple[str, ...]) -> list[tuple[str, np.ndarray]]:
    if isinstance(tree, np.ndarray):
        if tree.dtype.kind == "f" and not np.isfinite(tree).all():
            raise NotFlax(f"{'/'.join(path)} holds NaN or infinite numbers")
        return [("/".join(path), tree)]
    if len(path) > DEEPEST:
        raise NotFlax(f"it is nested deeper than {DEEPEST}")
    if not isinstance(tree, dict):
        raise NotFlax(
            f"{'/'.join(path) or 'the tree'} is {str(tree)[:60]!r} where an array should be"
        )
    return [leaf for name, branch in tree.items() for leaf in _leaves(branch, (*path, str(name)))]
