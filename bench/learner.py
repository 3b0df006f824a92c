# SPDX-License-Identifier: Apache-2.0
"""How fast the learner learns: updates per second, beside plain torch and beside HIL-SERL's and LeRobot's agents.

    ./.venv/bin/python bench/learner.py [--seconds 30] [--batch 256] [--threads 1]
        [--hil-serl PYTHON] [--lerobot PYTHON]

All do RLPD's critic-only update, its full update (critics, target, policy, temperature) and so the pair of both that
one environment step costs at UTD 2, with two critics of 256 x 256, on random data; they are measured in turns, so
that a busy machine slows all, and the median of the turns is printed. Plain torch is what one writes first:
nn.Modules, autograd, one optimiser per network; `compiled` is the same with its losses by torch.compile. The two
peers run from their own sources in a Python of their own that has them (see bench/original_hil_serl.py, HIL_SERL_PATH
says where `serl_launcher` lies, and bench/original_lerobot.py); without one, its column stays empty. Sampling of the
batch counts for ours and plain torch, not for them, whose batch lies in memory.

`image` is a 128 x 128 image and the body: our learner has looked at it once, when it came, and draws what it saw;
both peers run their frozen network again in every update.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from peer import Peer
from torch import Tensor, nn

from rldg_core.task import load_task
from rldg_core.vocabulary import ExecutedBy
from rldg_rl.agent.agent import Agent
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import ReplayBuffer, TransitionBatch
from rldg_rl.episodes.step import StoredStep
from rldg_rl.vision.image_encoder import ImageEncoder
from rldg_rl.vision.pixels import VARIANTS

OBSERVATION_DIM, ACTION_DIM = 28, 6
UPDATES = ("critic", "full")
LONG = 0.2
"""[s] of an update that makes a turn of its own; of shorter ones a turn takes some"""
TURN_UPDATES = 10


def mlp(input_dim: int, output_dim: int, hidden: tuple[int, ...]) -> nn.Sequential:
    """Dense, layer norm, tanh; then a linear head."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(input_dim, width), nn.LayerNorm(width, eps=1e-6), nn.Tanh()]
        input_dim = width
    return nn.Sequential(*layers, nn.Linear(input_dim, output_dim))


class PlainAgent:
    """The same update with nothing but torch's standard parts; `compiled`: its losses by torch.compile."""

    def __init__(
        self, config: AgentConfig, observation_dim: int = OBSERVATION_DIM, compiled: bool = False
    ) -> None:
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
        compiler = torch.compile if compiled else lambda loss: loss
        self.critic_loss = compiler(self._critic_loss)
        self.actor_loss = compiler(self._actor_loss)

    def draw(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Actions and their log-probabilities."""
        mean, log_std = self.actor(observation).chunk(2, -1)
        std = log_std.exp().clamp(1e-5, 5.0)
        noise = torch.randn_like(mean)
        raw = mean + std * noise
        log_prob = -0.5 * noise.square() - std.log() - 0.5 * math.log(2.0 * math.pi)
        squash = 2.0 * (math.log(2.0) - raw - nn.functional.softplus(-2.0 * raw))
        return raw.tanh(), (log_prob - squash).sum(-1)

    def update(self, batch: TransitionBatch, full: bool) -> float:
        """Like Agent.update."""
        arrays = (batch.observation, batch.action, batch.reward, batch.next_observation, batch.mask)
        observation, *others = map(torch.from_numpy, arrays)
        loss = self.critic_loss(observation, *others)
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

    def _critic_loss(
        self, observation: Tensor, action: Tensor, reward: Tensor, following: Tensor, mask: Tensor
    ) -> Tensor:
        with torch.no_grad():
            next_action, _ = self.draw(following)
            pair = torch.cat((following, next_action), -1)
            value = torch.stack([target(pair) for target in self.targets]).amin(0)[:, 0]
            goal = reward + self.config.discount * mask * value
        pair = torch.cat((observation, action), -1)
        values = torch.stack([critic(pair)[:, 0] for critic in self.critics])
        return (values - goal).square().mean()

    def update_actor(self, observation: Tensor) -> None:
        """Policy and temperature."""
        self.critics.requires_grad_(False)
        loss, entropy = self.actor_loss(observation)
        self.critics.requires_grad_(True)
        self.actor_adam.zero_grad()
        loss.backward()
        self.actor_adam.step()
        self.temperature_adam.zero_grad()
        (self.log_temperature.exp() * (entropy.detach() + ACTION_DIM / 2)).backward()
        self.temperature_adam.step()

    def _actor_loss(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        action, log_prob = self.draw(observation)
        pair = torch.cat((observation, action), -1)
        value = torch.stack([critic(pair)[:, 0] for critic in self.critics]).mean(0)
        temperature = self.log_temperature.exp().detach()
        return (temperature * log_prob - value).mean(), -log_prob.mean()


def filled_buffer(rng: np.random.Generator, dim: int, variants: int = 1) -> ReplayBuffer:
    """Random episodes of 100 steps, every fifth a demonstration."""
    buffer = ReplayBuffer(20_000, dim, ACTION_DIM, variants)
    frame = (dim,) if variants == 1 else (variants, dim)
    for episode in range(100):
        frames = rng.standard_normal((101, *frame)).astype(np.float32)
        actions = np.tanh(rng.standard_normal((100, ACTION_DIM))).astype(np.float32)
        for index in range(100):
            last = index == 99
            buffer.add(
                StoredStep(
                    episode_id=str(episode),
                    index=index,
                    observation=frames[index],
                    action=actions[index],
                    executed_by=ExecutedBy.POLICY if episode % 5 else ExecutedBy.DEMONSTRATION,
                    reward=float(last),
                    terminated=last,
                    next_observation=frames[index + 1] if last else None,
                )
            )
    return buffer


Turn = Callable[[], float]
"""does something once, and says how many seconds that took"""


def timed(work: Callable[[], object]) -> float:
    """[s] of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours_and_plain(observation: str, batch: int) -> dict[tuple[str, str], Turn]:
    """Turns by who and which update."""
    rng = np.random.default_rng(0)
    encoder = ImageEncoder(load_task("connector/vga")) if observation == "image" else None
    dim = encoder.output_dim if encoder else OBSERVATION_DIM
    config = AgentConfig(batch_size=batch)
    buffer = filled_buffer(rng, dim, VARIANTS if encoder else 1)
    agents: dict[str, Agent | PlainAgent] = {"ours": Agent(config, dim, ACTION_DIM, 0)}
    if encoder is None:
        agents |= {"plain": PlainAgent(config), "compiled": PlainAgent(config, compiled=True)}

    def update(agent: Agent | PlainAgent, full: bool) -> None:
        agent.update(buffer.sample(batch, rng), full)

    return {
        (who, which): partial(timed, partial(update, agent, which == "full"))
        for who, agent in agents.items()
        for which in UPDATES
    }


def measure(turns: dict[tuple[str, str], Turn], seconds: float) -> dict[tuple[str, str], float]:
    """[s] of each, the median; in turns until the time is up, three rounds at least."""
    length = {}
    for name, turn in turns.items():
        length[name] = [turn() for _ in range(3)][-1]  # the first ones compile
    found: dict[tuple[str, str], list[float]] = {name: [] for name in turns}
    stop = time.perf_counter() + seconds
    rounds = 0
    while time.perf_counter() < stop or rounds < 3:
        rounds += 1
        for name, turn in turns.items():
            repeats = 1 if length[name] > LONG else TURN_UPDATES
            found[name].append(statistics.fmean(turn() for _ in range(repeats)))
    return {name: statistics.median(each) for name, each in found.items()}


def show(observation: str, found: dict[tuple[str, str], float]) -> None:
    """Updates per second, ours times the faster peer's, and all as JSON."""
    names = list(dict.fromkeys(who for who, _ in found))
    rates = {(who, which): 1.0 / seconds for (who, which), seconds in found.items()}
    for who in names:
        rates[who, "pair"] = 2.0 / sum(found[who, which] for which in UPDATES)
    print(f"{observation:8}" + "".join(f"{who:>12}" for who in names) + f"{'ratio':>10}")
    peers = [who for who in names if who not in ("ours", "plain", "compiled")] or ["plain"]
    for which in (*UPDATES, "pair"):
        others = [rates[who, which] for who in peers if (who, which) in rates]
        ratio = f"{rates['ours', which] / max(others):10.2f}" if others else ""
        print(f"{which:8}" + "".join(f"{rates[who, which]:12.2f}" for who in names) + ratio)
    print(json.dumps({" ".join(name): round(rate, 3) for name, rate in rates.items()}))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--seconds", type=float, default=30.0, help="wall time to measure each observation [s]"
    )
    parser.add_argument("--batch", type=int, default=256, help="transitions in an update")
    parser.add_argument("--threads", type=int, default=1, help="of every agent")
    parser.add_argument("--hil-serl", metavar="PYTHON", help="interpreter that has HIL-SERL")
    parser.add_argument("--lerobot", metavar="PYTHON", help="interpreter that has LeRobot")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    shape = [f"--batch={given.batch}", f"--threads={given.threads}", f"--action-dim={ACTION_DIM}"]
    body = ImageEncoder(load_task("connector/vga")).body_dim
    shape += [f"--observation-dim={OBSERVATION_DIM}", f"--body-dim={body}"]
    peers = {}
    for name, python in (("HIL-SERL", given.hil_serl), ("LeRobot", given.lerobot)):
        script = f"original_{name.lower().replace('-', '_')}.py"
        if python:
            path = f"{name.upper().replace('-', '_')}_PATH"
            peers[name] = Peer(python, script, path, *shape)
        else:
            print(f"{name} is left out: --{name.lower()} names a Python that has it, see {script}")
    print(f"updates/s, batch {given.batch}, 2 critics, {given.threads} thread(s)")
    for observation in ("state", "image"):
        turns = ours_and_plain(observation, given.batch)
        for name, peer in peers.items():
            for which in UPDATES:
                turns[name, which] = partial(peer.ask, f"{observation} {which}")
        show(observation, measure(turns, given.seconds))


if __name__ == "__main__":
    main()
