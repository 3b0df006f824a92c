# SPDX-License-Identifier: Apache-2.0
"""The arguments that a run was last started with, as its folder keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rldg_bringup.arguments import StackError, Value
from rldg_core.files.checked_file import FormatError, read_yaml
from rldg_core.run_paths import RunPaths


@dataclass(frozen=True)
class RunArguments:
    """What a run's `arguments.yaml` holds."""

    stack: str
    """that made the run"""
    arguments: dict[str, Any]
    """that it was last started with"""


def settings(run: Path, maker: str | None) -> dict[str, Value]:
    """Arguments that a run was last started with; empty for a new run.

    Args:
        run: its folder.
        maker: stack that must have made it; None: any.

    Raises:
        StackError: another stack made it, or the file is there but says something else.
    """
    path = RunPaths(run).arguments
    try:
        kept = read_yaml(path, RunArguments)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, FormatError) as error:
        raise StackError(
            f"cannot read {path} ({error}): a power cut may have left it so. Repair it, or delete it and give all "
            "arguments again"
        ) from error
    if maker not in (None, kept.stack):
        raise StackError(f"{run} was made by {kept.stack}: choose another name:=… for {maker}")
    return kept.arguments
