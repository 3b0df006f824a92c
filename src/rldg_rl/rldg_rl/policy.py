# SPDX-License-Identifier: Apache-2.0
"""The policy alone, in numpy: all that an actor needs to act, without critics and without torch.

A multilayer perceptron (dense, layer norm, tanh) whose head gives the mean and the log standard
deviation of a Gaussian; the action is its tanh (SAC, Haarnoja et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

STD_MIN, STD_MAX = 1e-5, 5.0
"""Bounds of the standard deviation before the tanh, as in HIL-SERL."""
LAYER_NORM_EPSILON = 1e-6


class Policy:
    """Maps one observation to one action.

    `tensors` names the float32 weights: for every hidden layer n `layer<n>.weight` (in, out),
    `layer<n>.bias`, `.scale` and `.shift` (out,); then `head.weight` (in, 2 * action_dim) and
    `head.bias`. They are used, not copied: whoever changes them in place changes the policy.
    `rng` draws the exploration noise; where weights are replaced often, hand on the same one, so
    that the noise does not start over. Raises ValueError when the weights do not fit together.
    """

    def __init__(
        self, tensors: Mapping[str, np.ndarray], rng: np.random.Generator | None = None
    ) -> None:
        self.tensors = dict(tensors)
        self.rng = np.random.default_rng() if rng is None else rng
        depth = sum(name.endswith(".scale") for name in tensors)
        try:
            self._layers = [
                tuple(tensors[f"layer{n}.{part}"] for part in ("weight", "bias", "scale", "shift"))
                for n in range(depth)
            ]
            self._head = (tensors["head.weight"], tensors["head.bias"])
        except KeyError as error:
            raise ValueError(f"not a policy: it lacks {error}, has {sorted(tensors)}") from None
        self._check()

    @property
    def observation_dim(self) -> int:
        """Length of the observation."""
        return int((self._layers[0] if self._layers else self._head)[0].shape[0])

    @property
    def action_dim(self) -> int:
        """Length of the action."""
        return int(self._head[0].shape[1]) // 2

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return tuple(layer[0].shape[1] for layer in self._layers)

    def act(
        self, observation: np.ndarray, deterministic: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The action for one observation, and the distribution that it was drawn from.

        Takes (observation_dim,). Returns the action in [-1, 1], and the Gaussian's mean and log
        standard deviation before the tanh, each (action_dim,) float32. Deterministic: tanh(mean).
        """
        x = np.asarray(observation, np.float32)
        for weight, bias, scale, shift in self._layers:
            # einsum, because a threaded BLAS waits for a second core that the twin may be using
            z = np.einsum("i,ij->j", x, weight) + bias
            z -= z.mean()
            z *= 1.0 / np.sqrt(np.dot(z, z) / len(z) + LAYER_NORM_EPSILON)
            x = np.tanh(z * scale + shift)
        mean, log_std = np.split(np.einsum("i,ij->j", x, self._head[0]) + self._head[1], 2)
        log_std = log_std.clip(np.log(STD_MIN), np.log(STD_MAX)).astype(np.float32)
        if deterministic:
            return np.tanh(mean), mean, log_std
        noise = self.rng.standard_normal(len(mean), np.float32)
        return np.tanh(mean + np.exp(log_std) * noise), mean, log_std

    def _check(self) -> None:
        width = self.observation_dim
        for weight, *vectors in (*self._layers, self._head):
            fits = weight.ndim == 2 and weight.shape[0] == width
            if not fits or any(vector.shape != weight.shape[1:] for vector in vectors):
                shapes = {name: tensor.shape for name, tensor in self.tensors.items()}
                raise ValueError(f"not a policy: its layers do not fit together: {shapes}")
            width = weight.shape[1]
