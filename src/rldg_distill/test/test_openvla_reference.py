# SPDX-License-Identifier: Apache-2.0
"""Equal to OpenVLA's and OpenVLA-OFT's own code on the same weights.

data/openvla_reference.safetensors was made once with openvla/openvla c8f03f4 (transformers 4.40.1, timm 0.9.16) and
moojink/openvla-oft 213c5ff on its authors' transformers bc339d9, both at the sizes of `tiny`, torch 2.13.0, CPU. There,
batches are padded on the right and prompts are generated from one by one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from openvla_network import fill, inputs, network, padded
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from rldg_distill.students.normalization import Normalizer
from rldg_distill.students.openvla.model import OpenVLA
from rldg_distill.students.openvla.oft import ChunkHead

REFERENCE = load_file(Path(__file__).parent / "data" / "openvla_reference.safetensors")
STATISTICS = {
    "action": {
        "q01": [-0.01] * 3 + [-0.1] * 3 + [0.0],
        "q99": [0.02] * 3 + [0.05] * 3 + [1.0],
        "mask": [True] * 6 + [False],
    }
}


@pytest.fixture(scope="module")
def model() -> OpenVLA:
    torch.set_num_threads(1)
    return network()


def test_logits_and_loss_of_a_padded_batch_are_those_of_openvla(model: OpenVLA) -> None:
    pixels, rows, actions = inputs()
    with torch.no_grad():
        logits = model.logits(pixels[:, None], padded(rows), actions)
    assert torch.allclose(logits, REFERENCE["logits"], rtol=0, atol=1e-4)
    end = torch.full((2, 1), model.config.language.eos_token_id)
    loss = cross_entropy(logits.flatten(0, 1), torch.cat([actions, end], 1).flatten())
    assert loss.item() == pytest.approx(REFERENCE["loss"].item(), abs=1e-5)


def test_action_tokens_and_actions_are_those_of_openvla(model: OpenVLA) -> None:
    pixels, rows, _ = inputs()
    tokens = model.predict_tokens(pixels[:, None], padded(rows), 7)
    assert torch.equal(tokens, REFERENCE["tokens"])
    action = Normalizer("bounds_q99", STATISTICS, "action", 7).undo(model.tokens.decode(tokens))
    assert torch.allclose(action.double(), REFERENCE["action"], rtol=0, atol=1e-7)


def test_a_chunk_is_that_of_oft(model: OpenVLA) -> None:
    pixels, rows, _ = inputs()
    head = ChunkHead(128, chunk=3, action_dim=7, state_dim=19)
    assert head.proprio_projector is not None
    fill(head.action_head, 1)
    fill(head.proprio_projector, 2)
    state = torch.from_numpy(np.random.RandomState(8).standard_normal((2, 19)).astype(np.float32))
    images = torch.stack([pixels, 0.5 * pixels.flip(0)], 1)
    with torch.no_grad():
        together = head(model, images, padded(rows), state)
        alone = torch.cat(
            [
                head(model, images[i : i + 1], padded(rows[i : i + 1]), state[i : i + 1])
                for i in (0, 1)
            ]
        )
    assert torch.allclose(together, REFERENCE["oft_normalized"], rtol=0, atol=1e-4)
    action = Normalizer("bounds_q99", STATISTICS, "action", 7).undo(alone)
    assert torch.allclose(action.double(), REFERENCE["oft_action"], rtol=0, atol=1e-5)
