# SPDX-License-Identifier: Apache-2.0
"""The optimiser of every network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Adam:
    """Adam (Kingma and Ba 2015) on flat vectors, in one fused kernel and without a wrapper's cost.

    `parameters` and `gradients` are read and changed in place.
    """

    def __init__(
        self, parameters: Mapping[str, Tensor], gradients: list[Tensor], learning_rate: float
    ) -> None:
        self._parameters = list(parameters.values())
        self._gradients = gradients
        self._learning_rate = learning_rate
        self._first_moments = [torch.zeros_like(p) for p in self._parameters]
        self._second_moments = [torch.zeros_like(p) for p in self._parameters]
        self._steps = [torch.zeros(()) for _ in self._parameters]
        self.state: dict[str, Tensor] = {}
        """the moments and counts by name, in place"""
        for kind, tensors in (
            ("mean", self._first_moments),
            ("square", self._second_moments),
            ("step", self._steps),
        ):
            self.state |= {f"{n}.{kind}": t for n, t in zip(parameters, tensors, strict=True)}

    def step(self) -> None:
        """Moves the parameters against their gradients."""
        for step in self._steps:
            step.add_(1.0)
        torch._fused_adam_(
            self._parameters,
            self._gradients,
            self._first_moments,
            self._second_moments,
            [],
            self._steps,
            lr=self._learning_rate,
            beta1=0.9,
            beta2=0.999,
            weight_decay=0.0,
            eps=1e-8,
            amsgrad=False,
            maximize=False,
        )
