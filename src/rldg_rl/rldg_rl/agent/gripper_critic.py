# SPDX-License-Identifier: Apache-2.0
"""When to open and to close the gripper: a critic of three choices beside the soft actor-critic, as HIL-SERL has it.

Double DQN (van Hasselt et al. 2016): the critic picks the next choice, a target critic that follows slowly values it.
Both see the observation alone, not what the arm does; nor do the arm's critics see the choice. Each learner takes the
other's behaviour for a part of the world: the arm's gradient would find no slope along a choice anyway.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from rldg_core.gripper_command import CLOSE
from rldg_rl.agent.adam import Adam
from rldg_rl.agent.networks import StackedMLP, Tape
from rldg_rl.agent.policy import GRIPPER_CHOICES
from rldg_rl.agent_config import AgentConfig


class GripperCritic:
    """The values of GRIPPER_CHOICES and the update that learns them."""

    def __init__(
        self, config: AgentConfig, observation_dim: int, penalty: float, generator: torch.Generator
    ) -> None:
        """`penalty` is taken off the reward where a step changed what the gripper is asked for."""
        self._config = config
        self._penalty = penalty
        network = partial(
            StackedMLP, observation_dim, config.hidden, len(GRIPPER_CHOICES), 1, generator
        )
        self.online = network()
        """acts: the choice of the greatest value"""
        self._target_critic = network()
        self._target_critic.flat.copy_(self.online.flat)
        self._adam = Adam(
            {"gripper": self.online.flat}, [self.online.gradient], config.learning_rate
        )
        self._rows = 0

    def update(
        self,
        observation: Tensor,
        choice: Tensor,
        reward: Tensor,
        next_observation: Tensor,
        mask: Tensor,
        changed: Tensor,
    ) -> dict[str, float]:
        """One step down the mean squared TD error.

        td_target = reward - penalty * changed + discount * mask * target critic's value of the next choice.

        `choice` (rows,) holds one of GRIPPER_CHOICES a row, the rest is as in `TransitionBatch`. Returns
        gripper_loss and gripper_q.
        """
        rows, config = len(reward), self._config
        online, target = self._tapes(rows)
        q_of_choices = self.online.forward(torch.cat((next_observation, observation)), online)[0]
        next_choice = q_of_choices[:rows].argmax(1, keepdim=True)
        next_q = self._target_critic.forward(next_observation, target)[0].gather(1, next_choice)[
            :, 0
        ]
        td_target = reward - self._penalty * changed + config.discount * mask * next_q
        index = (choice - CLOSE).long()[:, None]
        q = q_of_choices[rows:].gather(1, index)[:, 0]
        td_error = q - td_target
        q_gradient = torch.zeros(rows, len(GRIPPER_CHOICES))
        q_gradient.scatter_(1, index, td_error[:, None] * (2.0 / rows))
        self.online.backward(online.rows(rows, 2 * rows), q_gradient[None])
        gripper_loss = td_error.square().mean()
        metrics = {"gripper_loss": float(gripper_loss), "gripper_q": float(q.mean())}
        self._adam.step()
        self._target_critic.flat.lerp_(self.online.flat, config.target_rate)
        return metrics

    def state(self) -> dict[str, np.ndarray]:
        """All that the next updates depend on, as views; but for `online`, which belongs to the policy."""
        target = {f"gripper_target.{n}": t.numpy() for n, t in self._target_critic.tensors.items()}
        return target | {f"adam.{n}": t.numpy() for n, t in self._adam.state.items()}

    def _tapes(self, rows: int) -> tuple[Tape, Tape]:
        """Memory for a pass over next observations and observations, and for one over the former."""
        if rows != self._rows:
            self._rows = rows
            self._memory = (self.online.tape(2 * rows), self._target_critic.tape(rows))
        return self._memory
