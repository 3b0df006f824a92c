# SPDX-License-Identifier: Apache-2.0
"""Words and actions as tokens: the prompt, Llama's tokenizer read from a file, and the bins of an action."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor

from rldg_core.files.atomic_file import write_atomically
from rldg_distill.students.card import StudentError
from rldg_distill.students.openvla.config import OpenVLAConfig, tiny

TOKENIZER = "tokenizer.json"
EMPTY = "▁"
"""the token that stands between the prompt's colon and the first action; 29871 in Llama's vocabulary"""
PROMPT = "In: What action should the robot take to {}?\nOut:"


@dataclass(frozen=True)
class ActionTokens:
    """Numbers in [-1, 1] as the last tokens of a vocabulary, and back.

    As OpenVLA: bin k in 1…bins of `linspace(-1, 1, bins)` is token `vocabulary - k`, so the highest action has the
    lowest token. There are one fewer intervals than tokens: only exactly 1 falls into the last bin, which is read as
    the last interval.
    """

    vocabulary: int
    """tokens without padding"""
    bins: int = 256

    @property
    def first(self) -> int:
        """The lowest of the action tokens."""
        return self.vocabulary - self.bins

    def edges(self, device: torch.device | None = None) -> Tensor:
        """(bins,) float64: bin k begins at the k-th of them."""
        return torch.linspace(-1, 1, self.bins, dtype=torch.float64, device=device)

    def encode(self, action: Tensor) -> Tensor:
        """Tokens (int64) of normalised actions of any shape; values beyond [-1, 1] are clipped."""
        inside = action.double().clamp(-1, 1)
        return self.vocabulary - torch.bucketize(inside, self.edges(action.device), right=True)

    def centres(self, device: torch.device | None = None) -> Tensor:
        """(bins,) float32: the action that each token from `first` on stands for."""
        edges = self.edges(device)
        middle = (edges[:-1] + edges[1:]) / 2
        return torch.cat([middle, middle[-1:]]).flip(0).float()

    def decode(self, tokens: Tensor) -> Tensor:
        """Normalised actions (float32) of action tokens of any shape."""
        return self.centres(tokens.device)[tokens - self.first]


@dataclass(frozen=True)
class Prompts:
    """B instructions as tokens, padded on the left to one length, without the first token of every sequence."""

    ids: Tensor
    """(B, L) int64"""
    mask: Tensor
    """(B, L) bool: False where there is padding"""

    def to(self, device: torch.device) -> Prompts:
        """The same on a device."""
        return Prompts(self.ids.to(device), self.mask.to(device))


class PromptTokenizer:
    """Instructions as the tokens that OpenVLA was trained on."""

    def __init__(self, tokenizer: Tokenizer, config: OpenVLAConfig) -> None:
        """Of a tokenizer whose vocabulary ends where the model's action tokens end.

        Raises:
            StudentError: it belongs to another model.
        """
        empty = tokenizer.token_to_id(EMPTY)
        size = tokenizer.get_vocab_size(with_added_tokens=False)
        if empty is None or size != config.vocabulary:
            raise StudentError(
                f"the tokenizer has {size} tokens and {'no' if empty is None else 'a'} token '{EMPTY}', the model's "
                f"vocabulary {config.vocabulary}: take {TOKENIZER} and config.json of one checkpoint"
            )
        self.tokenizer = tokenizer
        self.empty = empty
        self.pad = config.language.pad_token_id
        self.first = config.language.bos_token_id

    @classmethod
    def load(cls, folder: Path, config: OpenVLAConfig) -> PromptTokenizer:
        """From a checkpoint folder.

        Raises:
            StudentError: it has no readable tokenizer, or that of another model.
        """
        path = folder / TOKENIZER
        try:
            tokenizer = Tokenizer.from_str(path.read_text())
        except Exception as error:  # whatever the Rust side raises is a plain Exception
            raise StudentError(
                f"{path} cannot be read ({error}): copy it from the checkpoint that the weights are from"
            ) from error
        return cls(tokenizer, config)

    def save(self, folder: Path) -> None:
        """Writes tokenizer.json."""
        write_atomically(folder / TOKENIZER, self.tokenizer.to_str())

    def encode(self, instruction: str) -> list[int]:
        """Tokens of the prompt without the first one (begin of sequence), with `EMPTY` behind them.

        OpenVLA's training text has a space and the actions' characters behind the colon, which Llama's tokenizer
        reads as `EMPTY` and the action tokens; put here, it is in training, inference and attention mask alike.
        """
        ids = self.tokenizer.encode(PROMPT.format(instruction.lower())).ids
        return [token for token in ids if token != self.first] + [self.empty]

    def __call__(self, instructions: Sequence[str]) -> Prompts:
        """Prompts of B instructions, on the CPU."""
        rows = [self.encode(instruction) for instruction in instructions]
        length = max(map(len, rows))
        ids = torch.full((len(rows), length), self.pad, dtype=torch.int64)
        for row, target in zip(rows, ids, strict=True):
            target[length - len(row) :] = torch.tensor(row)
        widths = torch.tensor([len(row) for row in rows])
        return Prompts(ids, torch.arange(length) >= length - widths[:, None])


def tiny_tokenizer() -> Tokenizer:
    """One token a byte, in a vocabulary laid out as Llama's: begin, end, text, `EMPTY`, action tokens at its end."""
    config = tiny()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = ["<unk>", "<s>", "</s>", *alphabet, EMPTY]
    words += [f"<action {bin_}>" for bin_ in range(config.vocabulary - len(words))]
    tokenizer = Tokenizer(
        models.BPE({word: i for i, word in enumerate(words)}, [], unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", config.language.bos_token_id)]
    )
    tokenizer.add_special_tokens([AddedToken("<PAD>", special=True)])
    return tokenizer
