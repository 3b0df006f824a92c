# SPDX-License-Identifier: Apache-2.0
"""Jobs side by side in processes of this machine.

A worker is given one job at a time and tells every result of it as it comes. It ends when this process does: its pipe
breaks at the next result.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Generic, Protocol, TypeVar

from rldg_core.user_error import UserError


class Job(Protocol):
    """A piece of work; it travels by pickle, to processes of this very program alone."""

    @property
    def name(self) -> str:
        """For people."""


SomeJob = TypeVar("SomeJob", bound=Job)
Result = TypeVar("Result")
Work = Callable[[SomeJob], Iterable[Result]]
"""What is done with a job: a function of a module, or a `partial` of one"""


class PoolError(UserError):
    """The work cannot go on; the message says why and what to do."""


def in_processes(
    jobs: Sequence[SomeJob], work: Work[SomeJob, Result], count: int
) -> Iterator[Result]:
    """Do jobs, `count` at a time; yields every result as it comes.

    Raises:
        PoolError: a worker died.
        OSError, RuntimeError: the work ended with it.
    """
    waiting = deque(jobs)
    return as_needed(lambda: waiting.popleft() if waiting else None, work, min(count, len(jobs)))


def as_needed(
    next_job: Callable[[], SomeJob | None], work: Work[SomeJob, Result], count: int
) -> Iterator[Result]:
    """As `in_processes`, for jobs that follow from results.

    Args:
        next_job: asked for every worker without one; None: there is nothing to do before the next result.
        work: see `in_processes`.
        count: of workers.

    Raises:
        PoolError, OSError, RuntimeError: see `in_processes`.
    """
    team = [Worker(work) for _ in range(count)]
    try:
        while True:
            for worker in team:
                if not worker.job:
                    worker.begin(next_job())
            busy = {worker.connection: worker for worker in team if worker.job}
            if not busy:
                return
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                if said := worker.hear():
                    yield said[0]
                else:
                    worker.job = None
    finally:
        for worker in team:
            worker.stop()


class Worker(Generic[SomeJob, Result]):
    """A process that does one job after another."""

    def __init__(self, work: Work[SomeJob, Result]) -> None:
        """Start it."""
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.job: SomeJob | None = None
        self._process = context.Process(target=do, args=(theirs, work), daemon=True)
        # Ctrl-C reaches the whole process group: what it means is decided here, a worker is born deaf to it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            self._process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        theirs.close()

    def begin(self, job: SomeJob | None) -> None:
        """Give it a job, or nothing more to do."""
        self.job = job
        if job:
            with suppress(ConnectionError):  # it died; `hear` tells how
                self.connection.send(job)

    def hear(self) -> tuple[Result] | None:
        """The next result; None: its job is done.

        Raises:
            PoolError: it died.
            OSError, RuntimeError: the work ended with it.
        """
        assert self.job
        try:
            said: tuple[Result] | Exception | None = self.connection.recv()
        except (EOFError, ConnectionError) as error:
            self._process.join()
            raise PoolError(
                f"a worker {self._death()} while it was at {self.job.name}. "
                "The same command resumes with what is finished; fewer workers need less memory"
            ) from error
        if isinstance(said, Exception):
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


def do(connection: Connection, work: Work[SomeJob, Result]) -> None:
    """What a worker does until the pipe breaks."""
    try:
        while True:
            job = connection.recv()
            try:
                for result in work(job):
                    connection.send((result,))
                connection.send(None)
            except ConnectionError:
                raise
            except (OSError, RuntimeError) as error:  # what the work says that it may end with
                connection.send(error)
    except (EOFError, ConnectionError):
        return  # whoever wanted the jobs done is gone
