# SPDX-License-Identifier: Apache-2.0
"""RLPD: soft actor-critic that learns from demonstrations and experience together.

Ball et al. 2023, "Efficient Online Reinforcement Learning with Offline Data", with the defaults of
HIL-SERL (Luo et al. 2024): no entropy in the critics' target, the minimum of all critics there, and
their mean in the actor's loss. The gradients are written out by hand, see `networks`. All of this is
about motion; a gripper that is learned has a critic of its own, see `gripper_critic`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from rldg_rl.agent.adam import Adam
from rldg_rl.agent.gripper_critic import GripperCritic
from rldg_rl.agent.networks import StackedMLP, Tape
from rldg_rl.agent.policy import ENCODER, GRIPPER, STD_MAX, STD_MIN, GaussianPolicy
from rldg_rl.agent_config import AgentConfig
from rldg_rl.episodes.replay_buffer import Batch
from rldg_rl.vision.scratch_encoder import ScratchEncoder

SHOWN = 5
"""names that an error lists"""


class Agent:
    """Policy, critics, target critics and temperature, and the update that trains them.

    With a `grasp_penalty` (see `Task`), 0 included, the last of the action's dimensions is the
    gripper's and chosen by a `GripperCritic`; with None all of them are motion. The weights of an
    `encoder` that makes the observations go along with the policy's, in place; a `pupil` is one that
    learns here, from batches with images. The same seed and the same batches give the same weights,
    also across `state_dict`.
    """

    def __init__(
        self,
        config: AgentConfig,
        observation_dim: int,
        action_dim: int,
        seed: int,
        grasp_penalty: float | None = None,
        encoder: Mapping[str, np.ndarray] | None = None,
        pupil: ScratchEncoder | None = None,
    ) -> None:
        self.config = config
        self.observation_dim = observation_dim
        self.action_dim = action_dim
        self.updates = 0
        """critic updates so far"""
        self._generator = torch.Generator().manual_seed(seed)
        self._motion_dim = motion_dim = action_dim - (grasp_penalty is not None)
        network = partial(StackedMLP, hidden=config.hidden, generator=self._generator)
        critic = partial(network, observation_dim + motion_dim, output_dim=1)
        self._actor = network(observation_dim, output_dim=2 * motion_dim, members=1)
        self._critic = critic(members=config.critics)
        self._target = critic(members=config.critics)
        self._target.flat.copy_(self._critic.flat)
        # softplus(_raw_temperature) is the temperature: always positive
        self._raw_temperature = torch.tensor([math.log(math.expm1(config.initial_temperature))])
        self._temperature_gradient = torch.zeros(1)
        self._actor_adam = Adam(
            {"policy": self._actor.flat, "temperature": self._raw_temperature},
            [self._actor.gradient, self._temperature_gradient],
            config.learning_rate,
        )
        self._critic_adam = Adam(
            {"critic": self._critic.flat}, [self._critic.gradient], config.learning_rate
        )
        self._pupil = pupil
        self._adams = [self._actor_adam, self._critic_adam]
        if pupil is not None:
            self._pupil_adam = Adam({"encoder": pupil.flat}, [pupil.gradient], config.learning_rate)
            self._adams.append(self._pupil_adam)
        self._memory = self._allocate(config.batch_size)
        self._target_entropy = config.target_entropy_per_dimension * motion_dim
        tensors = _named(self._actor.tensors)
        self._gripper: GripperCritic | None = None
        if grasp_penalty is not None:
            self._gripper = GripperCritic(config, observation_dim, grasp_penalty, self._generator)
            tensors |= _named(self._gripper.online.tensors, GRIPPER)
        tensors |= {ENCODER + name: tensor for name, tensor in (encoder or {}).items()}
        self.policy = GaussianPolicy(tensors, np.random.default_rng(seed))
        """acts with this agent's weights as they are now"""
        self._acting = {"": self._actor} | (
            {GRIPPER: self._gripper.online} if self._gripper else {}
        )
        self._flats = {prefix: network.flat for prefix, network in self._acting.items()}
        if pupil is not None:
            self._flats[ENCODER] = pupil.flat
        self._averages = {prefix: flat.clone() for prefix, flat in self._flats.items()}
        self.averaged = self._averaged(seed)
        """acts with an average of the last weights, which is steadier: what is judged and kept"""

    @property
    def temperature(self) -> float:
        """Weight of the entropy bonus."""
        return float(torch.nn.functional.softplus(self._raw_temperature))

    def act(
        self, observation: np.ndarray, deterministic: bool = False
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """See `GaussianPolicy.act`."""
        return self.policy.act(observation, deterministic)

    def update(self, batch: Batch, full: bool = True) -> dict[str, float]:
        """One gradient step of all critics and, if `full`, of policy and temperature.

        Returns critic_loss and q; if full also actor_loss, entropy [nat] and temperature; where the
        gripper is learned also gripper_loss and gripper_q.
        """
        observation, action, reward, next_observation, mask, changed = (
            torch.from_numpy(array)
            for array in (
                batch.observation,
                batch.action,
                batch.reward,
                batch.next_observation,
                batch.mask,
                batch.gripper_changed,
            )
        )
        seen = None
        if self._pupil is not None:
            seen, next_observation = self._pupil.look(batch, self._generator)
            observation = seen.detach()
        rows = len(reward)
        if rows != self._memory.rows:
            self._memory = self._allocate(rows)
        # one pass of the policy serves the critics' target and the policy's own step
        if full:
            draw = self._draw(torch.cat((next_observation, observation)), self._memory.actor)
        else:
            draw = self._draw(next_observation, self._memory.actor.rows(0, rows))
        metrics = self._update_critic(
            torch.cat((observation, action[:, : self._motion_dim]), 1),
            torch.cat((next_observation, draw.action[:rows]), 1),
            reward,
            mask,
            seen,
        )
        if full:
            metrics |= self._update_actor(observation, draw.rows(rows, 2 * rows))
        if self._gripper is not None:
            choice = action[:, self._motion_dim]
            metrics |= self._gripper.update(
                observation, choice, reward, next_observation, mask, changed
            )
        self.updates += 1
        self._average()
        return metrics

    def _average(self) -> None:
        """Polyak averaging; at first over a tenth of the updates so far, lest the first weights count for long."""
        rate = max(self.config.average_rate, 10.0 / (self.updates + 9.0))
        for prefix, average in self._averages.items():
            average.lerp_(self._flats[prefix], rate)

    def _averaged(self, seed: int) -> GaussianPolicy:
        """The policy again, over the averages."""
        tensors = dict(self.policy.tensors)
        for prefix, network in self._acting.items():
            tensors |= _named(network.views(self._averages[prefix]), prefix)
        if self._pupil is not None:
            views = self._pupil.views(self._averages[ENCODER])
            tensors |= {ENCODER + name: tensor.numpy() for name, tensor in views.items()}
        return GaussianPolicy(tensors, np.random.default_rng(seed))

    def policy_state(self) -> dict[str, np.ndarray]:
        """A copy of the policy's weights, named as `GaussianPolicy` wants them."""
        return {name: tensor.copy() for name, tensor in self.policy.tensors.items()}

    def load_policy(self, tensors: Mapping[str, np.ndarray]) -> None:
        """Takes over a policy's weights. Raises ValueError when they are of another shape."""
        _copy_into(dict(self.policy.tensors), tensors)

    def state_dict(self) -> dict[str, np.ndarray]:
        """A copy of all that the next updates depend on, for an exact resume.

        The policy's weights are those of `policy_state` under `policy.<name>`.
        """
        return {name: tensor.copy() for name, tensor in self._state().items()} | {
            "generator": self._generator.get_state().numpy(),
            "updates": np.array(self.updates),
        }

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes over what `state_dict` gave. Raises ValueError when it is of another shape."""
        own = {"generator", "updates"}
        state = dict(state)
        if not own <= state.keys() or state["updates"].size != 1 or state["updates"] < 0:
            raise ValueError("generator or number of updates are missing")
        try:
            torch.Generator().set_state(torch.from_numpy(np.array(state["generator"])))
        except (RuntimeError, TypeError) as error:
            raise ValueError(f"not the state of a generator: {error}") from error
        _copy_into(self._state(), {n: tensor for n, tensor in state.items() if n not in own})
        self._generator.set_state(torch.from_numpy(np.array(state["generator"])))
        self.updates = int(state["updates"])

    def _state(self) -> dict[str, np.ndarray]:
        """Everything but generator and count, as views."""
        state = {f"policy.{name}": tensor for name, tensor in self.policy.tensors.items()}
        state |= {f"average.{prefix}flat": a.numpy() for prefix, a in self._averages.items()}
        for prefix, network in (("critic", self._critic), ("target", self._target)):
            state |= {f"{prefix}.{name}": t.numpy() for name, t in network.tensors.items()}
        state["temperature"] = self._raw_temperature.numpy()
        for adam in self._adams:
            state |= {f"adam.{name}": tensor.numpy() for name, tensor in adam.state.items()}
        return state | (self._gripper.state() if self._gripper is not None else {})

    def _allocate(self, rows: int) -> _Memory:
        return _Memory(rows, self._actor.tape(2 * rows), self._critic.tape(rows))

    def _draw(self, observation: Tensor, tape: Tape) -> _Draw:
        """Draws one action for each observation."""
        mean, raw_log_std = self._actor.forward(observation, tape)[0].chunk(2, dim=1)
        log_std = raw_log_std.clamp(math.log(STD_MIN), math.log(STD_MAX))
        noise = torch.randn(mean.shape, generator=self._generator)
        raw_action = torch.addcmul(mean, log_std.exp(), noise)
        return _Draw(tape, mean, raw_log_std, log_std, noise, raw_action, raw_action.tanh())

    def _update_critic(
        self, pair: Tensor, next_pair: Tensor, reward: Tensor, mask: Tensor, seen: Tensor | None
    ) -> dict[str, float]:
        """Towards reward + discount * the least of the target critics, in the mean square.

        `seen`: the observations, where they lead back to an encoder that learns.
        """
        tape = self._memory.critic
        next_value = self._target.forward(next_pair, tape).amin(0)[:, 0]
        goal = torch.addcmul(reward, mask, next_value, value=self.config.discount)
        value = self._critic.forward(pair, tape)
        error = value - goal[:, None]
        gradient = error * (2.0 / error.numel())
        self._critic.backward(tape, gradient)
        if self._pupil is not None and seen is not None:
            wished = self._critic.input_gradient(tape, gradient).sum(0)
            self._pupil.backward(seen, wished[:, : self.observation_dim])
            self._pupil_adam.step()
        self._critic_adam.step()
        self._target.flat.lerp_(self._critic.flat, self.config.target_rate)
        return {"critic_loss": float(error.square().mean()), "q": float(value.mean())}

    def _update_actor(self, observation: Tensor, draw: _Draw) -> dict[str, float]:
        """Policy: down temperature * log-probability - mean value; temperature: to its target."""
        action, temperature, rows = draw.action, self.temperature, len(observation)
        tape = self._memory.critic
        value = self._critic.forward(torch.cat((observation, action), 1), tape)
        action_gradient = self._critic.input_gradient(
            tape, torch.full_like(value, 1.0 / value.numel()), start=self.observation_dim
        ).sum(0)
        # d log_prob / d raw_action = 2 action (from the tanh; the noise stays)
        raw_gradient = action * (2.0 * temperature / rows) - action_gradient * (1.0 - action**2)
        log_std_gradient = raw_gradient * (draw.raw_action - draw.mean) - temperature / rows
        log_std_gradient *= draw.log_std == draw.raw_log_std  # none beyond the bounds
        self._actor.backward(draw.tape, torch.cat((raw_gradient, log_std_gradient), 1)[None])
        log_prob = draw.log_prob()
        entropy = -float(log_prob.mean())
        self._temperature_gradient.copy_(
            self._raw_temperature.sigmoid() * (entropy - self._target_entropy)
        )
        self._actor_adam.step()
        return {
            "actor_loss": -temperature * entropy - float(value.mean()),
            "entropy": entropy,
            "temperature": temperature,
        }


@dataclass(frozen=True)
class _Memory:
    """Where the passes of an update happen."""

    rows: int
    """transitions in a batch"""
    actor: Tape
    """2 * rows: next observations, then observations"""
    critic: Tape
    """shared by target critics and critics, one after the other"""


@dataclass(frozen=True)
class _Draw:
    """Actions drawn from the policy for a batch; all but the tape (batch, action_dim)."""

    tape: Tape
    mean: Tensor
    raw_log_std: Tensor
    log_std: Tensor
    noise: Tensor
    raw_action: Tensor
    action: Tensor

    def rows(self, start: int, stop: int) -> _Draw:
        """The part that belongs to some rows of the batch."""
        tensors = (self.mean, self.raw_log_std, self.log_std, self.noise)
        parts = [t[start:stop] for t in (*tensors, self.raw_action, self.action)]
        return _Draw(self.tape.rows(start, stop), *parts)

    def log_prob(self) -> Tensor:
        """(batch,) the actions' log density, after the tanh."""
        gaussian = -0.5 * self.noise.square() - self.log_std - 0.5 * math.log(2.0 * math.pi)
        # log(1 - tanh(u)^2), in a form that does not run into log(0)
        u = self.raw_action
        squash = 2.0 * (math.log(2.0) - u - torch.nn.functional.softplus(-2.0 * u))
        return (gaussian - squash).sum(1)


def _named(tensors: Mapping[str, Tensor], prefix: str = "") -> dict[str, np.ndarray]:
    """The weights of a network of one member in place, as `GaussianPolicy` names and shapes them."""
    return {
        prefix + name: (tensor[0] if name.endswith("weight") else tensor[0, 0]).numpy()
        for name, tensor in tensors.items()
    }


def _copy_into(into: Mapping[str, np.ndarray], tensors: Mapping[str, np.ndarray]) -> None:
    """Overwrites arrays in place with those of the same names and shapes."""
    own, given = ({n: t.shape for n, t in d.items()} for d in (into, tensors))
    if own != given:
        other = sorted(n for n in own.keys() | given.keys() if own.get(n) != given.get(n))
        told = ", ".join(f"{n} is {given.get(n)}, not {own.get(n)}" for n in other[:SHOWN])
        raise ValueError(
            f"these weights are another agent's: {len(other)} differ ({told}); "
            f"load them with the task, observation and sizes that they were trained with"
        )
    for name, array in into.items():
        array[...] = tensors[name]
