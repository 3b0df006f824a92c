# SPDX-License-Identifier: Apache-2.0
"""Shards side by side in processes of this machine.

A worker is given one shard at a time and names every bag that it is done with. It ends when this process does: its pipe
breaks at the next bag.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path

from rldg_distill.plan import ConversionError, Recipe, Shard
from rldg_distill.shard import write_shard
from rldg_distill.workplace import Workplace

BAGS_PER_WORKER = 60
"""what a worker must have to do to be worth its start"""


def worker_count(shards: Sequence[Shard]) -> int:
    """Processes that are worth it: one for every core, if there is enough for each."""
    bags = sum(len(shard.bags) for shard in shards)
    return max(1, min(len(os.sched_getaffinity(0)), bags // BAGS_PER_WORKER))


def in_processes(
    shards: Sequence[Shard], recipe: Recipe, workplace: Workplace, count: int
) -> Iterator[Path]:
    """Write shards, `count` at a time; yields every bag that is dealt with.

    Raises:
        ConversionError: a worker died, or could not write.
    """
    waiting = deque(shards)
    team = [Worker(recipe, workplace) for _ in range(min(count, len(shards)))]
    try:
        for worker in team:
            worker.write(waiting.popleft())
        while busy := {w.connection: w for w in team if w.shard}:
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                bag = worker.hear()
                if bag:
                    yield bag
                else:
                    worker.write(waiting.popleft() if waiting else None)
    finally:
        for worker in team:
            worker.stop()


class Worker:
    """A process that writes one shard after another."""

    def __init__(self, recipe: Recipe, workplace: Workplace) -> None:
        """Start it."""
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.shard: Shard | None = None
        self._process = context.Process(target=work, args=(theirs, recipe, workplace), daemon=True)
        # Ctrl-C reaches the whole process group: what it means is decided here, a worker is born deaf to it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()

    def write(self, shard: Shard | None) -> None:
        """Give it a shard, or nothing more to do."""
        self.shard = shard
        if shard:
            with suppress(ConnectionError):  # it died; `hear` tells how
                self.connection.send(shard)

    def hear(self) -> Path | None:
        """The next bag that it is done with; None: its shard is finished.

        Raises:
            ConversionError: it died, or could not write.
        """
        assert self.shard
        try:
            said: Path | OSError | None = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            raise ConversionError(
                f"a worker {self._death()} while it wrote {self.shard.name}. "
                "The same command goes on with what is finished; fewer --workers need less memory"
            ) from error
        if isinstance(said, OSError):
            raise said
        return said

    def _death(self) -> str:
        code = self._process.exitcode or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"

    def stop(self) -> None:
        """End it, whatever it is doing."""
        self._process.terminate()
        self._process.join()
        self.connection.close()


def work(connection: Connection, recipe: Recipe, workplace: Workplace) -> None:
    """What a worker does until the pipe breaks."""
    try:
        while True:
            shard = connection.recv()
            try:
                for bag in write_shard(shard, recipe, workplace):
                    connection.send(bag)
                connection.send(None)
            except ConnectionError:
                raise
            except OSError as error:
                connection.send(error)
    except (EOFError, ConnectionError):
        return  # whoever wanted the shards is gone
