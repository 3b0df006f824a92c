# SPDX-License-Identifier: Apache-2.0
"""The agent's hyper-parameters, in a module without torch: the actor needs to know some of them."""

from __future__ import annotations

from dataclasses import dataclass

from rldg_core.task import Task

SEEING_BATCH = 64
"""transitions in an update that looks at images anew: their number decides how long it takes"""


@dataclass(frozen=True)
class AgentConfig:
    """Hyper-parameters; the defaults are HIL-SERL's."""

    hidden: tuple[int, ...] = (256, 256)
    """widths of the hidden layers of policy and critics, that of the gripper included"""
    critics: int = 2
    """size of the critic ensemble, at least 1"""
    batch_size: int = 256
    """transitions in an update"""
    demo_fraction: float = 0.5
    """share of a batch that comes from demonstrations and interventions"""
    updates_per_step: int = 2
    """critic updates for every environment step; the last of them also moves the policy"""
    discount: float = 0.97
    """per control step"""
    learning_rate: float = 3e-4
    """of Adam, for policy, critics and temperature"""
    target_rate: float = 0.005
    """share of the critics that the target critics take over in every update"""
    average_rate: float = 1e-3
    """share of the policy that its average takes over in every update, in the end: over the first tenth of as many
    updates as one has behind it, it is more"""
    initial_temperature: float = 1e-2
    """weight of the entropy bonus at the start; it is learned"""
    target_entropy_per_dimension: float = -0.5
    """entropy per dimension of motion that the temperature steers towards [nat]"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "hidden", tuple(self.hidden))  # a list, where read from JSON
        if self.critics < 1 or not self.hidden:
            raise ValueError("an agent takes at least one critic and one hidden layer")


def agent_config(task: Task, learns_to_see: bool = False) -> AgentConfig:
    """The hyper-parameters that a task is learned with; `learns_to_see`: its encoder learns with the critics."""
    learning = task.learning
    return AgentConfig(
        discount=learning.discount,
        initial_temperature=learning.initial_temperature,
        batch_size=SEEING_BATCH if learns_to_see else AgentConfig.batch_size,
    )
