# SPDX-License-Identifier: Apache-2.0
"""The policy alone, in numpy: all that an actor needs to act, without critics and without torch.

A multilayer perceptron (dense, layer norm, tanh) whose head gives the mean and the log standard
deviation of a Gaussian; the motion is its tanh (SAC, Haarnoja et al. 2018). A gripper that is learned
has a second one, whose head gives a value to each choice; the greatest is taken, as in HIL-SERL also
while exploring.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rldg_core.gripper_command import CLOSE, LEAVE, OPEN

STD_MIN, STD_MAX = 1e-5, 5.0
"""Bounds of the standard deviation before the tanh, as in HIL-SERL."""
LAYER_NORM_EPSILON = 1e-6
GRIPPER = "gripper."
"""prefix of the weights that decide on the gripper"""
ENCODER = "encoder."
"""prefix of the weights that look at the image, see `image_encoder`"""
GRIPPER_CHOICES = (CLOSE, LEAVE, OPEN)
"""in the order of their values"""


class GaussianPolicy:
    """Maps one observation to one action.

    `tensors` names the float32 weights: for every hidden layer n `layer<n>.weight` (in, out),
    `layer<n>.bias`, `.scale` and `.shift` (out,); then `head.weight` (in, 2 * motion_dim) and
    `head.bias`. Where the gripper is learned, the same once more as `gripper.<name>`, with a head of
    three. Where the observation is what an encoder made of an image, its weights may go along as
    `encoder.<name>`. They are used, not copied: whoever changes them in place changes the policy.
    `rng` draws the exploration noise; where weights are replaced often, hand on the same one, so
    that the noise does not start over. Raises ValueError when the weights do not fit together.
    """

    def __init__(
        self, tensors: Mapping[str, np.ndarray], rng: np.random.Generator | None = None
    ) -> None:
        self.tensors = dict(tensors)
        self.rng = np.random.default_rng() if rng is None else rng
        self.encoder = _part(tensors, ENCODER)
        """weights of the encoder that makes its observations; none where it takes the state"""
        gripper = _part(tensors, GRIPPER)
        parts = (ENCODER, GRIPPER)
        self._motion = _Network({n: t for n, t in tensors.items() if not n.startswith(parts)})
        self._gripper = _Network(gripper) if gripper else None
        if self._motion.ends[1] % 2:
            raise ValueError(f"not a policy: its motion has {self._motion.ends[1]} numbers")
        if self._gripper and self._gripper.ends != (self.observation_dim, len(GRIPPER_CHOICES)):
            raise ValueError(f"not a policy: its gripper maps {self._gripper.ends} numbers")

    @property
    def observation_dim(self) -> int:
        """Length of the observation."""
        return self._motion.ends[0]

    @property
    def action_dim(self) -> int:
        """Length of the action."""
        return self._motion.ends[1] // 2 + (self._gripper is not None)

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self._motion.hidden

    def act(
        self, observation: np.ndarray, deterministic: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The action for one observation, and the distribution that its motion was drawn from.

        Takes (observation_dim,). Returns the action in [-1, 1], the gripper's choice last where it is
        learned, and the Gaussian's mean and log standard deviation before the tanh, one of each per
        dimension of motion; float32. Deterministic: tanh(mean).
        """
        x = np.asarray(observation, np.float32)
        mean, log_std = np.split(self._motion(x), 2)
        log_std = log_std.clip(np.log(STD_MIN), np.log(STD_MAX)).astype(np.float32)
        raw_action = mean
        if not deterministic:
            raw_action = mean + np.exp(log_std) * self.rng.standard_normal(len(mean), np.float32)
        action = np.tanh(raw_action)
        if self._gripper is not None:
            choice = GRIPPER_CHOICES[self._gripper(x).argmax()]
            action = np.append(action, np.float32(choice))
        return action, mean, log_std


def _part(tensors: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Those of a prefix, by their names without it."""
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


class _Network:
    """A multilayer perceptron by its named weights, see `GaussianPolicy`."""

    def __init__(self, tensors: Mapping[str, np.ndarray]) -> None:
        depth = sum(name.endswith(".scale") for name in tensors)
        try:
            self._layers = [
                tuple(tensors[f"layer{n}.{part}"] for part in ("weight", "bias", "scale", "shift"))
                for n in range(depth)
            ]
            self._head = (tensors["head.weight"], tensors["head.bias"])
        except KeyError as error:
            raise ValueError(f"not a policy: it lacks {error}, has {sorted(tensors)}") from None
        self._check(tensors, depth)
        first = (*self._layers, self._head)[0][0]
        self.ends = (int(first.shape[0]), int(self._head[0].shape[1]))
        """lengths of input and output"""

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return tuple(layer[0].shape[1] for layer in self._layers)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        for weight, bias, scale, shift in self._layers:
            # einsum, because a threaded BLAS waits for a second core that the twin may be using
            z = np.einsum("i,ij->j", x, weight) + bias
            z -= z.mean()
            z *= 1.0 / np.sqrt(np.dot(z, z) / len(z) + LAYER_NORM_EPSILON)
            x = np.tanh(z * scale + shift)
        output: np.ndarray = np.einsum("i,ij->j", x, self._head[0]) + self._head[1]
        return output

    def _check(self, tensors: Mapping[str, np.ndarray], depth: int) -> None:
        if len(tensors) != 4 * depth + 2:
            raise ValueError(f"not a policy: it has parts that it does not use: {sorted(tensors)}")
        if others := {str(t.dtype) for t in tensors.values()} - {"float32"}:
            raise ValueError(f"not a policy: its weights are {min(others)}, not float32")
        width = (*self._layers, self._head)[0][0].shape[:1]
        for weight, *vectors in (*self._layers, self._head):
            fits = weight.ndim == 2 and weight.size > 0 and weight.shape[:1] == width
            if not fits or any(vector.shape != weight.shape[1:] for vector in vectors):
                shapes = {name: tensor.shape for name, tensor in tensors.items()}
                raise ValueError(f"not a policy: its layers do not fit together: {shapes}")
            width = weight.shape[1:]
