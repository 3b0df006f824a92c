# SPDX-License-Identifier: Apache-2.0
"""Jobs as tasks of a Ray cluster: for what is more than one machine's work.

Every machine has this project set up and sees the same files under the same paths. Tasks get paths and plain options
and send back plain results.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence

from rldg_core.workers.pool import PoolError, Result, SomeJob, Work

RAY = "ray==2.60.0"


def on_ray(jobs: Sequence[SomeJob], work: Work[SomeJob, Result], address: str) -> Iterator[Result]:
    """Do jobs on a running cluster, one on every core; yields every result as it comes.

    Raises:
        PoolError: Ray is not installed, no cluster answers, or a task failed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise PoolError(f"a Ray cluster needs Ray: pip install '{RAY}'") from error
    try:
        _knock(address)
        ray.init(address, log_to_driver=False, logging_level="error")
    except (OSError, ValueError) as error:
        raise PoolError(
            f"no Ray cluster at '{address}' ({error}). Start one: ray start --head"
        ) from error
    try:
        task = ray.remote(_do)
        tasks = {task.remote(work, job): job for job in jobs}
        while tasks:
            (ready,), _ = ray.wait(list(tasks), num_returns=1)
            try:
                yield ray.get(next(ready))
            except StopIteration:
                del tasks[ready]
            except ray.exceptions.RayError as error:
                cause = getattr(error, "cause", error)  # without it Ray tells the whole traceback
                raise PoolError(f"{tasks[ready].name}: {cause}") from error
    finally:
        ray.shutdown()


def _do(work: Work[SomeJob, Result], job: SomeJob) -> Iterator[Result]:
    yield from work(job)


def _knock(address: str) -> None:
    """Ray itself would wait for minutes for a cluster that is not there."""
    if address != "auto":
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), timeout=5).close()
