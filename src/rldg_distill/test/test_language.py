# SPDX-License-Identifier: Apache-2.0
"""Sentence encoders: T5 against numbers of the Flax one, MiniLM by what it tells apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import octo_reference as reference
import pytest
import torch
from tokenizers import Tokenizer, models

from rldg_distill.students.language import T5, LanguageError, MiniLM

torch.set_num_threads(1)


@pytest.fixture
def vocabulary(tmp_path: Path) -> Path:
    path = tmp_path / "tokenizer.json"
    words = ["<pad>", "</s>", "<unk>", "insert", "vga", "usb"]
    Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, "<unk>")).save(str(path))
    return path


@pytest.fixture
def flax() -> dict[str, np.ndarray]:
    with np.load(reference.DATA / "t5_reduced.npz") as given:
        return dict(given)


def test_t5_equals_the_flax_one_that_octo_uses(
    flax: dict[str, np.ndarray], vocabulary: Path
) -> None:
    t5 = T5.from_flax(reference.weights(json.loads(str(flax["shapes"]))), vocabulary)
    ids = torch.from_numpy(flax["ids"])
    hidden = t5.encode_ids(ids, (ids != 0).long())
    np.testing.assert_allclose(hidden.numpy(), flax["hidden"], 0, 1e-4)


def test_t5_goes_into_a_folder_and_back(
    flax: dict[str, np.ndarray], vocabulary: Path, tmp_path: Path
) -> None:
    t5 = T5.from_flax(reference.weights(json.loads(str(flax["shapes"]))), vocabulary)
    t5.save(tmp_path / "saved")
    again = T5.load(tmp_path / "saved")
    found = t5(["vga", "usb"])
    assert found.shape == (2, 16, 24)
    assert torch.equal(found, again(["vga", "usb"]))
    assert not torch.allclose(found[0], found[1], atol=1e-2)


def test_a_missing_tokenizer_says_where_to_get_it(
    flax: dict[str, np.ndarray], tmp_path: Path
) -> None:
    weights = reference.weights(json.loads(str(flax["shapes"])))
    with pytest.raises(LanguageError, match=r"Download tokenizer\.json of google-t5/t5-base"):
        T5.from_flax(weights, tmp_path / "tokenizer.json")


def test_paraphrases_lie_nearer_than_other_connectors() -> None:
    encode = MiniLM()
    connectors = ("VGA", "USB-A", "ethernet")
    seen = encode([f"insert the {name} connector into the port" for name in connectors])[:, 0]
    wordings = ("plug the {} cable in", "put the {} plug into its socket", "connect the {}", "{}")
    for index, name in enumerate(connectors):
        encoded = encode([wording.format(name) for wording in wordings])[:, 0]
        assert (encoded @ seen.T).argmax(-1).eq(index).all(), name
    assert seen.square().mean().item() == pytest.approx(1.0, rel=1e-5)
