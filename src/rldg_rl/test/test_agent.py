# SPDX-License-Identifier: Apache-2.0
"""The agent's update is RLPD's, can be resumed exactly, and learns a sparse task in seconds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rldg_core.vocabulary import ExecutedBy
from rldg_rl.agent.adam import Adam
from rldg_rl.agent.agent import Agent
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import ReplayBuffer, TransitionBatch
from rldg_rl.episodes.step import StoredStep

OBSERVATION, ACTION, ROWS = 5, 2, 32
SMALL = AgentConfig(hidden=(24, 16), critics=3, batch_size=ROWS)


def random_batch(seed: int, rows: int = ROWS) -> TransitionBatch:
    """Transitions of no meaning."""
    rng = np.random.default_rng(seed)
    observation, following = rng.standard_normal((2, rows, OBSERVATION), np.float32)
    action = np.tanh(rng.standard_normal((rows, ACTION), np.float32))
    reward, mask = rng.random(rows, np.float32), rng.integers(0, 2, rows).astype(np.float32)
    return TransitionBatch(observation, action, reward, following, mask, np.zeros(rows, np.float32))


def train(agent: Agent, updates: int, first: int = 0) -> Agent:
    """UTD 2, on batches that depend on the update's number alone."""
    for number in range(first, first + updates):
        agent.update(random_batch(number), full=number % 2 == 1)
    return agent


def part(agent: Agent, *prefixes: str) -> dict[str, np.ndarray]:
    """The named parts of an agent's state."""
    return {n: t for n, t in agent.state_dict().items() if n.startswith(prefixes)}


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    """Bit for bit."""
    return first.keys() == second.keys() and all((first[n] == second[n]).all() for n in first)


def forward(state: dict[str, Tensor], network: str, x: Tensor) -> Tensor:
    """A network by torch's own operations, from an agent's state."""
    n = 0
    while f"{network}.layer{n}.weight" in state:
        weight, bias, scale, shift = (
            state[f"{network}.layer{n}.{part}"] for part in ("weight", "bias", "scale", "shift")
        )
        x = functional.layer_norm(x @ weight + bias, weight.shape[-1:], eps=1e-6)
        x, n = (x * scale + shift).tanh(), n + 1
    return x @ state[f"{network}.head.weight"] + state[f"{network}.head.bias"]


def test_an_update_follows_the_gradients_of_the_losses() -> None:
    """Both phases against autograd, torch's distributions and torch's Adam."""
    agent = train(Agent(SMALL, OBSERVATION, ACTION, seed=1), 6)
    state = {n: torch.from_numpy(t) for n, t in agent.state_dict().items()}
    generator = torch.Generator()
    generator.set_state(state["generator"])
    noise = torch.randn(2 * ROWS, ACTION, generator=generator)
    batch = random_batch(99)
    observation, action, reward, following, mask, _ = map(
        torch.from_numpy, list(vars(batch).values())[:6]
    )

    def draw(seen: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = forward(state, "policy", seen).chunk(2, -1)
        base = torch.distributions.Normal(mean, log_std.exp())
        squashed = torch.distributions.TransformedDistribution(
            base, torch.distributions.TanhTransform(cache_size=1)
        )
        drawn = torch.tanh(mean + log_std.exp() * noise)
        return drawn, squashed.log_prob(drawn).sum(-1)

    def check(loss: Tensor, network: str) -> None:
        """Moves the state's network as torch's Adam would, and compares the agent's."""
        own = {n: t for n, t in state.items() if n.startswith(network + ".")}
        gradients = torch.autograd.grad(loss, list(own.values()))
        after = agent.state_dict()
        for prefix in ("mean", "square"):
            decay = {"mean": 0.9, "square": 0.999}[prefix]
            power = {"mean": 1, "square": 2}[prefix]
            before = state[f"adam.{network}.{prefix}"]
            gradient = torch.cat([g.flatten() for g in gradients])
            expected = decay * before + (1 - decay) * gradient**power
            found = torch.from_numpy(after[f"adam.{network}.{prefix}"])
            torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-7)

    for name, tensor in state.items():
        if name.startswith(("policy.", "critic.")):
            tensor.requires_grad_()
    with torch.no_grad():
        next_action, _ = draw(following, noise[:ROWS])
        values = forward(state, "target", torch.cat((following, next_action), -1)[None])
        goal = reward + SMALL.discount * mask * values.amin(0)[:, 0]
    values = forward(state, "critic", torch.cat((observation, action), -1)[None])[..., 0]
    metrics = agent.update(batch, full=True)
    critic_loss = (values - goal).square().mean()
    check(critic_loss, "critic")
    assert metrics["critic_loss"] == pytest.approx(critic_loss.item(), rel=1e-4)

    for name, tensor in agent.state_dict().items():  # the policy's step sees the moved critics
        if name.startswith("critic."):
            state[name] = torch.from_numpy(tensor)
    temperature = functional.softplus(state["temperature"])
    drawn, log_prob = draw(observation, noise[ROWS:])
    value = forward(state, "critic", torch.cat((observation, drawn), -1)[None]).mean(0)[:, 0]
    actor_loss = (temperature * log_prob - value).mean()
    check(actor_loss, "policy")
    assert metrics["actor_loss"] == pytest.approx(actor_loss.item(), rel=1e-4)
    assert metrics["entropy"] == pytest.approx(-log_prob.mean().item(), rel=1e-4)
    assert metrics["temperature"] == pytest.approx(temperature.item(), rel=1e-4)


def test_the_gradient_of_the_temperature_is_that_of_autograd() -> None:
    agent = train(Agent(SMALL, OBSERVATION, ACTION, seed=1), 6)
    before = agent.state_dict()
    raw = torch.from_numpy(before["temperature"]).requires_grad_()
    entropy = agent.update(random_batch(99), full=True)["entropy"]
    temperature_loss = functional.softplus(raw) * (entropy + 0.5 * ACTION)
    (gradient,) = torch.autograd.grad(temperature_loss.sum(), raw)
    assert gradient.abs() > 1e-4
    expected = 0.9 * before["adam.temperature.mean"] + 0.1 * gradient.numpy()
    np.testing.assert_allclose(agent.state_dict()["adam.temperature.mean"], expected, rtol=1e-4)


def test_no_gradient_beyond_the_bounds_of_the_standard_deviation() -> None:
    agent = Agent(SMALL, OBSERVATION, ACTION, seed=1)
    agent.policy.tensors["head.bias"][ACTION:] = (100.0, -1.0)  # beyond the bound, and within
    agent.update(random_batch(5), full=True)
    gradient = agent._actor.views(agent._actor.gradient)["head.bias"][0, 0, ACTION:]
    assert gradient[0] == 0.0 and gradient[1] != 0.0


def test_adam_is_torchs() -> None:
    ours, gradient = torch.linspace(-1, 1, 50), torch.zeros(50)
    theirs = torch.nn.Parameter(ours.clone())
    adam, reference = Adam({"x": ours}, [gradient], 3e-4), torch.optim.Adam([theirs], 3e-4)
    for number in range(20):
        gradient.copy_((ours + number).sin())
        theirs.grad = gradient.clone()
        adam.step()
        reference.step()
    torch.testing.assert_close(ours, theirs.data)


def test_a_critic_only_update_leaves_policy_and_temperature_alone() -> None:
    agent = train(Agent(SMALL, OBSERVATION, ACTION, seed=1), 2)
    still = ("policy.", "temperature", "adam.policy", "adam.temperature")
    before, critics, targets = part(agent, *still), part(agent, "critic."), part(agent, "target.")
    metrics = agent.update(random_batch(5), full=False)
    assert same(before, part(agent, *still))
    assert not same(critics, part(agent, "critic."))
    assert not same(targets, part(agent, "target."))
    assert set(metrics) == {"critic_loss", "q"}


def test_targets_follow_slowly() -> None:
    agent = Agent(SMALL, OBSERVATION, ACTION, seed=1)
    before = part(agent, "target.")
    agent.update(random_batch(5), full=False)
    critics = part(agent, "critic.")
    for name, tensor in part(agent, "target.").items():
        expected = 0.995 * before[name] + 0.005 * critics[name.replace("target", "critic")]
        np.testing.assert_allclose(tensor, expected, rtol=1e-5, atol=1e-7)


def test_resume_is_exact() -> None:
    straight = train(Agent(SMALL, OBSERVATION, ACTION, seed=1), 20)
    stopped = train(Agent(SMALL, OBSERVATION, ACTION, seed=1), 10).state_dict()
    resumed = Agent(SMALL, OBSERVATION, ACTION, seed=2)
    resumed.load_state_dict(stopped)
    assert resumed.updates == 10
    train(resumed, 10, first=10)
    assert same(straight.state_dict(), resumed.state_dict())


def test_the_seed_decides() -> None:
    first, second, other = (
        train(Agent(SMALL, OBSERVATION, ACTION, seed), 4).state_dict() for seed in (1, 1, 2)
    )
    assert same(first, second)
    assert not same(first, other)


def test_the_policy_acts_with_the_weights_as_they_are_now() -> None:
    agent, observation = Agent(SMALL, OBSERVATION, ACTION, seed=1), np.ones(OBSERVATION)
    kept, before = agent.policy_state(), agent.act(observation, deterministic=True)[0]
    train(agent, 4)
    assert (agent.act(observation, deterministic=True)[0] != before).all()
    agent.load_policy(kept)
    assert (agent.act(observation, deterministic=True)[0] == before).all()


def test_the_average_follows_the_policy_ever_more_slowly() -> None:
    agent = train(Agent(SMALL, OBSERVATION, ACTION, seed=1), 1)
    assert same(agent.averaged.tensors, agent.policy_state()), "the first weights count for nothing"
    expected = agent.policy_state()
    for update in range(2, 31):
        train(agent, 1, first=update)
        rate = 10.0 / (update + 9.0)
        for name, tensor in agent.policy.tensors.items():
            expected[name] += rate * (tensor - expected[name])
    for name, tensor in agent.averaged.tensors.items():
        np.testing.assert_allclose(tensor, expected[name], rtol=1e-4, atol=1e-6)
    assert not same(agent.averaged.tensors, agent.policy_state())


def test_other_shapes_are_refused_and_change_nothing() -> None:
    agent, other = (Agent(SMALL, OBSERVATION, size, seed=1) for size in (ACTION, 3))
    before = agent.state_dict()
    for load in (
        lambda: agent.load_state_dict(other.state_dict()),
        lambda: agent.load_policy(other.policy_state()),
    ):
        with pytest.raises(ValueError, match="another agent's"):
            load()
    assert same(before, agent.state_dict())


def test_batches_may_change_their_size() -> None:
    agent = Agent(SMALL, OBSERVATION, ACTION, seed=1)
    for rows in (8, 64, 8):
        assert math.isfinite(agent.update(random_batch(0, rows))["actor_loss"])


def test_the_temperature_steers_the_entropy() -> None:
    agent = Agent(AgentConfig(hidden=(16,), learning_rate=3e-3), OBSERVATION, ACTION, seed=1)
    batch = random_batch(1)
    entropy = [agent.update(batch)["entropy"] for _ in range(1500)]
    assert np.mean(entropy[-100:]) == pytest.approx(-0.5 * ACTION, abs=0.2)


class Reach:
    """A point in a plane that is to reach the origin; reward 1 within 5 cm of it, 30 steps of at
    most 10 cm.
    """

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def episode(self, choose, store) -> bool:
        """Lets `choose` act from a random start, hands each step to `store`: reached?"""
        point = self.rng.uniform(-0.7, 0.7, 2).astype(np.float32)
        for index in range(30):
            action = choose(point)
            following = point + 0.1 * action
            reached = bool(np.linalg.norm(following) < 0.05)
            store(index, point, action, reached, index == 29 and not reached, following)
            if reached:
                return True
            point = following
        return False


def test_it_learns_a_sparse_task_from_a_few_demonstrations() -> None:
    torch.set_num_threads(1)
    config = AgentConfig(hidden=(64, 64), batch_size=128, learning_rate=1e-3)
    task, rng = Reach(0), np.random.default_rng(0)
    agent, buffer = Agent(config, 2, 2, seed=0), ReplayBuffer(10_000, 2, 2)
    episode = 0

    def store(index, point, action, reached, timed_out, following) -> None:
        author = ExecutedBy.DEMONSTRATION if episode < 8 else ExecutedBy.POLICY
        ends = (float(reached), reached, timed_out, following if reached or timed_out else None)
        buffer.add(StoredStep(str(episode), index, point, action, author, *ends))
        if author == ExecutedBy.POLICY:
            for full in (False, True):
                agent.update(buffer.sample(config.batch_size, rng), full)

    def demonstrate(point: np.ndarray) -> np.ndarray:
        noise = rng.normal(0.0, 0.4, 2)
        return np.clip(-5.0 * point + noise, -0.6, 0.6).astype(np.float32)

    while agent.updates < 5000:
        task.episode(demonstrate if episode < 8 else lambda p: agent.act(p)[0], store)
        episode += 1
    test = Reach(1)
    successes = sum(
        test.episode(lambda p: agent.act(p, deterministic=True)[0], lambda *_: None)
        for _ in range(40)
    )
    assert successes >= 36, f"{successes} of 40"
