# SPDX-License-Identifier: Apache-2.0
"""A `tiny` OpenVLA with weights that every machine draws alike, and inputs to it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from rldg_distill.students.batch import StudentBatch
from rldg_distill.students.card import DataCard
from rldg_distill.students.openvla.config import tiny
from rldg_distill.students.openvla.model import OpenVLA
from rldg_distill.students.openvla.tokens import Prompts

TINY = tiny()
FIRST, END = TINY.vocabulary - TINY.n_action_bins, TINY.vocabulary


def fill(module: nn.Module, seed: int) -> None:
    """Draw all parameters in the order of their names; numpy never changes what a RandomState gives.

    The rows of the output that are no actions are small: an unconstrained choice is an action too.
    """
    random = np.random.RandomState(seed)
    state = module.state_dict()
    for name in sorted(state):
        shape = tuple(state[name].shape)
        z = random.standard_normal(shape).astype(np.float32)
        if len(shape) == 1:
            z = 0.1 * z + (0.0 if name.endswith("bias") else 1.0)
        elif name.endswith(("pos_embed", "token", "latent")) or "embed_tokens" in name:
            z = 0.5 * z
        else:
            z = z * np.float32(2) / np.sqrt(np.float32(np.prod(shape[1:])))
        if name.endswith("lm_head.weight"):
            z[:FIRST] *= np.float32(0.1)
            z[END:] *= np.float32(0.1)
        state[name].copy_(torch.from_numpy(z))


def network() -> OpenVLA:
    """`tiny` with the weights that the reference's vectors belong to."""
    model = OpenVLA(TINY).eval()
    fill(model, 0)
    return model


def inputs() -> tuple[Tensor, list[list[int]], Tensor]:
    """Pixel values (2, 6, 112, 112), two prompts of different length, (2, 7) action tokens."""
    random = np.random.RandomState(7)
    pixels = torch.from_numpy(random.standard_normal((2, 6, 112, 112)).astype(np.float32))
    prompts = [[*random.randint(3, 259, size).tolist(), 259] for size in (21, 14)]
    return pixels, prompts, torch.from_numpy(random.randint(FIRST, END, (2, 7)))


def padded(rows: list[list[int]]) -> Prompts:
    """As `PromptTokenizer` pads them."""
    length = max(map(len, rows))
    ids = [[TINY.language.pad_token_id] * (length - len(row)) + row for row in rows]
    mask = [[False] * (length - len(row)) + [True] * len(row) for row in rows]
    return Prompts(torch.tensor(ids), torch.tensor(mask))


def card() -> DataCard:
    """Of data of one camera."""

    def rows(size: int, mask: list[bool]) -> dict[str, list[float] | list[bool]]:
        return {
            "mean": [0.0] * size,
            "std": [0.01] * size,
            "q01": [-0.015] * size,
            "q99": [0.015] * size,
            "mask": mask,
        }

    return DataCard(
        statistics={"action": rows(7, [True] * 6 + [False]), "state": rows(19, [True] * 19)},
        fingerprints={"test": "0"},
        cameras={"image": (128, 128)},
        topics={"image": "/wrist_camera/image"},
        control_rate=10.0,
        instructions=("insert the plug",),
    )


def batch(samples: int, chunk: int, seed: int = 0) -> StudentBatch:
    """Images that show which way the action goes: left half bright for negative, right half for positive."""
    random = np.random.default_rng(seed)
    sign = torch.from_numpy(random.choice([-1.0, 1.0], samples)).float()
    images = torch.from_numpy(random.integers(0, 40, (samples, 1, 112, 112, 3), dtype=np.uint8))
    images[sign < 0, :, :, :56] += 200
    images[sign > 0, :, :, 56:] += 200
    action = torch.zeros(samples, 1, chunk, 7)
    action[..., :6] = 0.01 * sign[:, None, None, None]
    action[..., 6] = 1.0
    return StudentBatch(
        images={"image": images},
        step_mask=torch.ones(samples, 1, dtype=torch.bool),
        state=torch.zeros(samples, 1, 19),
        instruction=["insert the plug"] * (samples - 1) + ["Put it in"],
        action=action,
        action_mask=torch.ones(samples, 1, chunk, dtype=torch.bool),
        teacher_mean=sign[:, None, None, None].expand(-1, 1, chunk, 7) * 0.8,
        teacher_log_std=torch.full((samples, 1, chunk, 7), -1.0),
        teacher_mask=torch.ones(samples, 1, chunk, dtype=torch.bool),
        action_scale=torch.full((samples, 6), 0.015),
    )
