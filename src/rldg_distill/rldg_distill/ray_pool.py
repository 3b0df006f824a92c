# SPDX-License-Identifier: Apache-2.0
"""Shards as tasks of a Ray cluster: for lists of bags that are more than one machine's work.

Every machine has this project set up and sees the bags and the dataset's folder under the same paths. Tasks get paths
and plain options and send back paths.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from rldg_distill.plan import ConversionError, Recipe, Shard
from rldg_distill.shard import write_shard
from rldg_distill.workplace import Workplace

RAY = "ray==2.60.0"


def on_ray(
    shards: Sequence[Shard], recipe: Recipe, workplace: Workplace, address: str
) -> Iterator[Path]:
    """Write shards on a running cluster, one for every core; yields every bag that is dealt with.

    Raises:
        ConversionError: Ray is not installed, no cluster answers, or a task failed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConversionError(f"--ray needs Ray: pip install '{RAY}'") from error
    try:
        _knock(address)
        ray.init(address, log_to_driver=False, logging_level="error")
    except (OSError, ValueError) as error:
        raise ConversionError(
            f"no Ray cluster at '{address}' ({error}). Start one: ray start --head"
        ) from error
    try:
        task = ray.remote(write_shard)
        tasks = {task.remote(shard, recipe, workplace): shard for shard in shards}
        while tasks:
            (ready,), _ = ray.wait(list(tasks), num_returns=1)
            try:
                yield ray.get(next(ready))
            except StopIteration:
                del tasks[ready]
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", error)  # without it Ray tells the whole traceback
                raise ConversionError(f"{tasks[ready].name}: {cause}") from error
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Ray itself would wait for minutes for a cluster that is not there."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=5).close()
