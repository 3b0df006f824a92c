# SPDX-License-Identifier: Apache-2.0
"""Seeded weights and inputs: what the original Octo was given when it made `data/octo_*.npz`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

DATA = Path(__file__).parent / "data"


def weights(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> dict[str, np.ndarray]:
    """Tensors by their names in flax, of sizes that keep signals alive. RandomState never changes its numbers."""
    random = np.random.RandomState(seed)
    found = {}
    for path in sorted(shapes):
        shape, leaf = tuple(shapes[path]), path.split("/")[-1]
        value = random.standard_normal(shape)
        if leaf == "kernel":
            first_only = len(shape) == 3 and "/out/" not in path
            value /= np.sqrt(shape[0] if first_only else np.prod(shape[:-1]))
        elif leaf in ("scale", "weight"):
            value = 1 + 0.1 * value
        else:
            value *= 0.1 if leaf == "bias" else 0.3
        found[path] = value.astype(np.float32)
    return found


def inputs(config: Mapping[str, Any], batch: int = 3, window: int = 2) -> dict[str, np.ndarray]:
    """Everything that the network and its head can be given."""
    random = np.random.RandomState(1)
    found: dict[str, np.ndarray] = {}
    for name, side in config["images"].items():
        for key, shape in ((f"image_{name}", (batch, window)), (f"goal_{name}", (batch,))):
            found[key] = random.randint(0, 256, (*shape, side, side, 3)).astype(np.uint8)
    size = (batch, config["language_tokens"], config["language_width"])
    found["language"] = random.standard_normal(size).astype(np.float32)
    if config["state_dim"]:
        size = (batch, window, config["state_dim"])
        found["state"] = random.standard_normal(size).astype(np.float32)
    size = (batch, window, config["chunk"], config["action_dim"])
    found["noisy"] = random.standard_normal((batch, window, size[2] * size[3])).astype(np.float32)
    found["time"] = random.randint(0, config["diffusion_steps"], (batch, window, 1))[..., 0]
    found["action"] = (2 * random.standard_normal(size)).astype(np.float32)
    return found


def write_checkpoint(
    folder: Path, tensors: Mapping[str, np.ndarray], model: Mapping[str, Any] | None = None
) -> Path:
    """A folder as the official checkpoints are."""
    tree: dict[str, Any] = {}
    for path, array in tensors.items():
        *parents, leaf = path.split("/")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        content = msgpack.packb((array.shape, array.dtype.name, array.tobytes()))
        branch[leaf] = msgpack.ExtType(1, content)
    file = folder / "300000" / "default" / "checkpoint"
    file.parent.mkdir(parents=True)
    file.write_bytes(msgpack.packb(tree))
    default = {"use_correct_attention": True, "repeat_task_tokens": True}
    (folder / "config.json").write_text(
        json.dumps({"model": default if model is None else dict(model)})
    )
    return folder
