# SPDX-License-Identifier: Apache-2.0
"""The written-out backward pass is autograd's, and numpy's policy is torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rldg_rl.agent.networks import StackedMLP
from rldg_rl.agent.policy import LAYER_NORM_EPSILON, STD_MAX, STD_MIN, GaussianPolicy

ROWS, INPUT, HIDDEN, OUTPUT = 7, 5, (16, 12), 3


def network(members: int) -> StackedMLP:
    """With no weight left at a neutral value."""
    generator = torch.Generator().manual_seed(1)
    made = StackedMLP(INPUT, HIDDEN, OUTPUT, members, generator)
    made.flat.add_(torch.randn(made.flat.shape, generator=generator), alpha=0.1)
    return made


def plain(tensors: dict[str, Tensor], member: int, x: Tensor) -> Tensor:
    """One member by torch's own operations."""
    for n in range(len(HIDDEN)):
        weight, bias, scale, shift = (
            tensors[f"layer{n}.{part}"][member] for part in ("weight", "bias", "scale", "shift")
        )
        x = torch.nn.functional.layer_norm(
            x @ weight + bias, weight.shape[1:], scale[0], shift[0], LAYER_NORM_EPSILON
        ).tanh()
    return x @ tensors["head.weight"][member] + tensors["head.bias"][member]


@pytest.mark.parametrize("members", [1, 2, 10])
def test_gradients_are_those_of_autograd(members: int) -> None:
    ours = network(members)
    x = torch.randn(ROWS, INPUT, requires_grad=True)
    weighting = torch.randn(members, ROWS, OUTPUT)
    tensors = {name: tensor.clone().requires_grad_() for name, tensor in ours.tensors.items()}
    expected = torch.stack([plain(tensors, member, x) for member in range(members)])
    (expected * weighting).sum().backward()

    tape = ours.tape(ROWS)
    torch.testing.assert_close(ours.forward(x.detach(), tape), expected.detach())
    ours.backward(tape, weighting)
    gradient = torch.cat([tensor.grad.flatten() for tensor in tensors.values()])
    torch.testing.assert_close(ours.gradient, gradient, rtol=1e-4, atol=1e-5)

    ours.gradient.zero_()
    ours.forward(x.detach(), tape)
    into_input = ours.input_gradient(tape, weighting, start=2).sum(0)
    torch.testing.assert_close(into_input, x.grad[:, 2:], rtol=1e-4, atol=1e-5)
    assert not ours.gradient.any(), "the input's gradient must leave the weights' alone"


def test_a_part_of_the_rows_has_its_own_gradient() -> None:
    ours, x, weighting = network(1), torch.randn(2 * ROWS, INPUT), torch.randn(1, ROWS, OUTPUT)
    tape = ours.tape(ROWS)
    ours.forward(x[ROWS:], tape)
    ours.backward(tape, weighting)
    alone = ours.gradient.clone()
    both = ours.tape(2 * ROWS)
    ours.forward(x, both)
    ours.backward(both.rows(ROWS, 2 * ROWS), weighting)
    torch.testing.assert_close(ours.gradient, alone, rtol=1e-4, atol=1e-5)


def policy_of(made: StackedMLP, rng: np.random.Generator) -> GaussianPolicy:
    """The first member's weights."""
    return GaussianPolicy(
        {
            name: (tensor[0] if name.endswith("weight") else tensor[0, 0]).numpy()
            for name, tensor in made.tensors.items()
        },
        rng,
    )


def four_outputs() -> StackedMLP:
    """Mean and log standard deviation of two dimensions."""
    return StackedMLP(INPUT, HIDDEN, 4, 1, torch.Generator().manual_seed(1))


def test_the_policy_in_numpy_is_the_network_in_torch() -> None:
    made = four_outputs()
    policy = policy_of(made, np.random.default_rng(0))
    assert (policy.observation_dim, policy.action_dim, policy.hidden) == (INPUT, 2, HIDDEN)
    x = torch.randn(1, INPUT)
    expected = made.forward(x, made.tape(1))[0, 0].numpy()
    action, mean, log_std = policy.act(x[0].numpy(), deterministic=True)
    np.testing.assert_allclose(np.concatenate((mean, log_std)), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(action, np.tanh(mean))
    assert action.dtype == mean.dtype == log_std.dtype == np.float32


def test_actions_follow_the_distribution_that_is_reported() -> None:
    policy = policy_of(four_outputs(), np.random.default_rng(0))
    observation = np.ones(INPUT, np.float32)
    drawn = [policy.act(observation) for _ in range(4000)]
    raw = np.arctanh(np.stack([action for action, _, _ in drawn]).astype(np.float64))
    _, mean, log_std = drawn[0]
    np.testing.assert_allclose(raw.mean(0), mean, atol=0.15)
    np.testing.assert_allclose(raw.std(0), np.exp(log_std), rtol=0.1)


def test_the_standard_deviation_is_bounded() -> None:
    made = four_outputs()
    made.tensors["head.bias"][0, 0, 2:] = torch.tensor([-100.0, 100.0])
    _, _, log_std = policy_of(made, np.random.default_rng(0)).act(np.zeros(INPUT))
    np.testing.assert_allclose(np.exp(log_std), [STD_MIN, STD_MAX], rtol=1e-5)


def test_what_is_no_policy_is_refused() -> None:
    tensors = policy_of(four_outputs(), np.random.default_rng(0)).tensors
    with pytest.raises(ValueError, match=r"lacks 'head\.bias'"):
        GaussianPolicy({name: tensor for name, tensor in tensors.items() if name != "head.bias"})
    with pytest.raises(ValueError, match="do not fit together"):
        GaussianPolicy(tensors | {"layer1.weight": np.zeros((3, 12), np.float32)})
