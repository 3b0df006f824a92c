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

ARRAY = 1


class NotFlax(ValueError):
    """The file is no tree of arrays; the message says why."""


def read(path: Path) -> dict[str, np.ndarray]:
    """Arrays by their path in the tree, `a/b/c`; they share the file's bytes and cannot be written to.

    Raises:
        NotFlax: damaged, or another format.
        OSError: it cannot be read.
    """
    try:
        tree = msgpack.unpackb(path.read_bytes(), ext_hook=_array, strict_map_key=False)
        return dict(_leaves(tree, ()))
    except NotFlax as error:
        raise NotFlax(f"{path}: {error}") from error
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise NotFlax(f"{path} is damaged or no msgpack of flax: {error}") from error


def _array(code: int, data: bytes) -> np.ndarray:
    if code != ARRAY:
        raise NotFlax(f"extension {code} is not an array")
    shape, dtype, content = msgpack.unpackb(data)
    return np.frombuffer(content, np.dtype(dtype)).reshape(shape)


def _leaves(tree: Any, path: tuple[str, ...]) -> list[tuple[str, np.ndarray]]:
    if isinstance(tree, np.ndarray):
        return [("/".join(path), tree)]
    if not isinstance(tree, dict):
        raise NotFlax(
            f"{'/'.join(path) or 'the tree'} is {str(tree)[:60]!r} where an array should be"
        )
    return [leaf for name, branch in tree.items() for leaf in _leaves(branch, (*path, str(name)))]
