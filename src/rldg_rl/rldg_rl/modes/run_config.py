# SPDX-License-Identifier: Apache-2.0
"""What a run's `config.yaml` says of it."""

from __future__ import annotations

from typing import Any

from rldg_rl.modes.context import Context
from rldg_rl.modes.mode import Mode


def settle_config(context: Context, mode: Mode) -> None:
    """Keep the configuration, or check that a run that is resumed is the same.

    Raises:
        RunFolderError: the folder belongs to another run.
        FormatError: what was kept cannot be read.
    """
    context.run.settle_config(run_config(context, mode), ("task", *mode.fixed))


def run_config(context: Context, mode: Mode) -> dict[str, Any]:
    """By name, in the order of the file."""
    given = context.parameters
    return {
        "task": ",".join(context.tasks),
        "observation": None,
        "encoder": None,
        "reward": str(given.jury),
        "resets": given.resets,
        "seed": given.seed,
        "policy": given.policy,
        "perturb": str(given.perturbation) or None,
        "randomize": given.randomize or None,
        "operator": given.operator,
        "plan": vars(mode.plan),
        **mode.config(),
    }
