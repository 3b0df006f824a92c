# SPDX-License-Identifier: Apache-2.0
"""How fast the learner learns: updates per second on one core, beside a plain torch reference.

    ./.venv/bin/python bench/learner.py [--seconds 10] [--batch 256] [--critics 2]

Both do the same mathematics on the same random data: RLPD's critic-only update, its full update
(critics, target, policy, temperature) and the pair of both that one environment step costs at
UTD 2. The reference is what one writes first: nn.Modules, autograd, one optimiser per network. The
two are measured in turns, so that a busy machine slows both; the median of the turns is printed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from rldg_rl.agent import Agent
from rldg_rl.agent_config import AgentConfig
from rldg_rl.replay_buffer import DEMO, POLICY, Batch, ReplayBuffer, StoredStep

OBSERVATION_DIM, ACTION_DIM = 28, 6
TURN_UPDATES = 20


def mlp(input_dim: int, output_dim: int, hidden: tuple[int, ...]) -> nn.Sequential:
    """Dense, layer norm, tanh; then a linear head."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(input_dim, width), nn.LayerNorm(width, eps=1e-6), nn.Tanh()]
        input_dim = width
    return nn.Sequential(*layers, nn.Linear(input_dim, output_dim))


class PlainAgent:
    """The same update with nothing but torch's standard parts."""

    def __init__(self, config: AgentConfig, observation_dim: int = OBSERVATION_DIM) -> None:
        self.config = config
        width = observation_dim + ACTION_DIM
        self.actor = mlp(observation_dim, 2 * ACTION_DIM, config.hidden)
        self.critics, self.targets = (
            nn.ModuleList(mlp(width, 1, config.hidden) for _ in range(config.critics))
            for _ in range(2)
        )
        self.targets.load_state_dict(self.critics.state_dict())
        self.log_temperature = nn.Parameter(torch.tensor(config.initial_temperature).log())
        rate = config.learning_rate
        self.actor_adam = torch.optim.Adam(self.actor.parameters(), rate)
        self.critic_adam = torch.optim.Adam(self.critics.parameters(), rate)
        self.temperature_adam = torch.optim.Adam([self.log_temperature], rate)

    def draw(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities."""
        mean, log_std = self.actor(observation).chunk(2, -1)
        normal = torch.distributions.Normal(mean, log_std.exp().clamp(1e-5, 5.0))
        raw = normal.rsample()
        squash = 2.0 * (np.log(2.0) - raw - nn.functional.softplus(-2.0 * raw))
        return raw.tanh(), (normal.log_prob(raw) - squash).sum(-1)

    def update(self, batch: Batch, full: bool) -> float:
        """Like Agent.update."""
        observation, action, reward, following, mask, _ = map(
            torch.from_numpy, vars(batch).values()
        )
        with torch.no_grad():
            next_action, _ = self.draw(following)
            pair = torch.cat((following, next_action), -1)
            value = torch.stack([target(pair) for target in self.targets]).amin(0)[:, 0]
            goal = reward + self.config.discount * mask * value
        pair = torch.cat((observation, action), -1)
        values = torch.stack([critic(pair)[:, 0] for critic in self.critics])
        loss = (values - goal).square().mean()
        self.critic_adam.zero_grad()
        loss.backward()
        self.critic_adam.step()
        with torch.no_grad():
            for target, parameter in zip(
                self.targets.parameters(), self.critics.parameters(), strict=True
            ):
                target.lerp_(parameter, self.config.target_rate)
        if full:
            self.update_actor(observation)
        return loss.item()

    def update_actor(self, observation: Tensor) -> None:
        """Policy and temperature."""
        action, log_prob = self.draw(observation)
        pair = torch.cat((observation, action), -1)
        for parameter in self.critics.parameters():
            parameter.requires_grad_(False)
        value = torch.stack([critic(pair)[:, 0] for critic in self.critics]).mean(0)
        for parameter in self.critics.parameters():
            parameter.requires_grad_(True)
        temperature = self.log_temperature.exp()
        loss = (temperature.detach() * log_prob - value).mean()
        self.actor_adam.zero_grad()
        loss.backward()
        self.actor_adam.step()
        entropy = -log_prob.detach().mean()
        self.temperature_adam.zero_grad()
        (temperature * (entropy + ACTION_DIM / 2)).backward()
        self.temperature_adam.step()


def filled_buffer(rng: np.random.Generator) -> ReplayBuffer:
    """Random episodes of 100 steps, every fifth a demonstration."""
    buffer = ReplayBuffer(20_000, OBSERVATION_DIM, ACTION_DIM)
    for episode in range(100):
        frames = rng.standard_normal((101, OBSERVATION_DIM)).astype(np.float32)
        actions = np.tanh(rng.standard_normal((100, ACTION_DIM))).astype(np.float32)
        for index in range(100):
            last = index == 99
            buffer.add(
                StoredStep(
                    episode_id=str(episode),
                    index=index,
                    observation=frames[index],
                    action=actions[index],
                    executed_by=POLICY if episode % 5 else DEMO,
                    reward=float(last),
                    terminated=last,
                    next_observation=frames[index + 1] if last else None,
                )
            )
    return buffer


def rate(work: Callable[[], object]) -> float:
    """Calls per second of one turn."""
    start = time.perf_counter()
    for _ in range(TURN_UPDATES):
        work()
    return TURN_UPDATES / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="wall time to measure [s]")
    parser.add_argument("--batch", type=int, default=256, help="transitions in an update")
    parser.add_argument("--critics", type=int, default=2, help="size of the critic ensemble")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    config = AgentConfig(batch_size=arguments.batch, critics=arguments.critics)
    agent, plain = Agent(config, OBSERVATION_DIM, ACTION_DIM, 0), PlainAgent(config)
    buffer = filled_buffer(rng)

    def sample() -> Batch:
        return buffer.sample(config.batch_size, rng)

    work: dict[str, Callable[[], object]] = {
        "critic": lambda: agent.update(sample(), False),
        "critic, plain": lambda: plain.update(sample(), False),
        "full": lambda: agent.update(sample(), True),
        "full, plain": lambda: plain.update(sample(), True),
        "sample": sample,
        "act": lambda: agent.act(buffer.observations[0]),
    }
    turns: dict[str, list[float]] = {name: [] for name in work}
    stop = time.perf_counter() + arguments.seconds
    while time.perf_counter() < stop or len(turns["act"]) < 2:
        for name, do in work.items():
            turns[name].append(rate(do))
    found = {name: statistics.median(rates) for name, rates in turns.items()}
    for suffix in ("", ", plain"):
        found["pair" + suffix] = 1 / (1 / found["critic" + suffix] + 1 / found["full" + suffix])
    print(f"batch {config.batch_size}, {config.critics} critics, one thread, sampling included")
    print(f"{'':8}{'updates/s':>12}{'ms':>8}{'plain':>12}{'ratio':>8}")
    for name in ("critic", "full", "pair"):
        ours, theirs = found[name], found[name + ", plain"]
        print(f"{name:8}{ours:12.1f}{1e3 / ours:8.2f}{theirs:12.1f}{ours / theirs:8.2f}")
    print(f"sample {1e6 / found['sample']:.0f} us, act {1e6 / found['act']:.0f} us")
    print(json.dumps({name: round(value, 1) for name, value in found.items()}))


if __name__ == "__main__":
    main()
