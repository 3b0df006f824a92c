# SPDX-License-Identifier: Apache-2.0
"""Under which conditions an evaluation's episodes were run: only those under the same ones are pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rldg_core.files.checked_file import read_yaml
from rldg_rl.run_folder import RunFolder

TWIN = "twin"


@dataclass(frozen=True)
class Conditions:
    """What an evaluation's outcome depends on beside policy, task and seed."""

    perturb: str = ""
    """what was off in the robot's world, as it is typed; empty: nothing"""
    randomize: bool = False
    """whether every episode looked different"""
    reward: str = TWIN
    """who said that the task is done"""

    def __str__(self) -> str:
        words = [f"under {self.perturb or 'no perturbation'}"]
        words += ["randomize:=true"] * self.randomize
        words += [f"reward:={self.reward}"] * (self.reward != TWIN)
        return ", ".join(words)

    @property
    def nominal(self) -> bool:
        """Whether the robot's world was neither off nor varied."""
        return not (self.perturb or self.randomize)


def conditions_of(evaluation: RunFolder) -> Conditions:
    """Those that an evaluation's `config.yaml` names; what it does not name is as by default.

    Raises:
        FormatError: the file cannot be read.
    """
    path = evaluation.config
    fix = "It names the perturbation: delete it only if there was none"
    config = read_yaml(path, dict[str, Any], fix=fix) if path.exists() else {}
    return Conditions(
        perturb=str(config.get("perturb") or ""),
        randomize=bool(config.get("randomize")),
        reward=str(config.get("reward") or TWIN),
    )
