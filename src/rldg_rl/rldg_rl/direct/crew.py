# SPDX-License-Identifier: Apache-2.0
"""A collection by several processes: which episodes they run, and what their run is told of them.

No more are begun than may be needed. So of one task the same episodes are run as by one process; of several the mix is
as even, while which episode is of which task depends on who is ready first.
"""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from pathlib import Path

from rldg_core import contract
from rldg_core.user_error import UserError
from rldg_core.vocabulary import EpisodeStatus
from rldg_core.workers.pool import as_needed
from rldg_rl.acting.collection import Collection
from rldg_rl.acting.run_state import RunState
from rldg_rl.direct.console_log import ConsoleLog
from rldg_rl.direct.crew_member import collect_episode
from rldg_rl.direct.direct_run import no_other_machine
from rldg_rl.direct.local_channel import LocalChannel
from rldg_rl.direct.recorder import mend
from rldg_rl.environment.reset_count import ResetLedger
from rldg_rl.episodes.announcer import Announcer
from rldg_rl.episodes.trial import Trial
from rldg_rl.modes.actor_parameters import ActorParameters
from rldg_rl.modes.collect import Collect
from rldg_rl.modes.context import Context
from rldg_rl.modes.run_config import settle_config
from rldg_rl.monitor_screen import MonitorScreen
from rldg_rl.run_folder import RunFolder
from rldg_rl.waiting import Waiting


class Crew:
    """Leads several processes to the end of a collection."""

    def __init__(self, parameters: ActorParameters, workers: int) -> None:
        """Check everything, and mend what a kill left open.

        Args:
            parameters: of the collection.
            workers: processes.

        Raises:
            UserError: see `DirectRun`.
        """
        self._parameters = parameters
        self._workers = workers
        self.run = RunFolder(Path(parameters.run))
        self._screen = MonitorScreen(self.run)
        log = ConsoleLog(self._screen.console)
        mend(self.run, log)
        context = Context(
            parameters=parameters,
            tasks=parameters.tasks(),
            run=self.run,
            waiting=Waiting(time.sleep, lambda: True, log.info),
            announce=lambda: None,
            log=log,
            publishers=lambda _: "",
            far_policy=no_other_machine,
        )
        self._mode = Collect(context)
        self._mode.check()
        settle_config(context, self._mode)
        self._state = RunState(self.run, self._mode.count)
        self._state.start()
        channel = LocalChannel()
        channel.listen(contract.RUN_STATUS, self._screen.hear_run)
        channel.listen(contract.RUN_STATUS, lambda _: self._screen.draw_again())
        wall, resets = self.run.wall_seconds(), ResetLedger(self.run)
        self._announcer = Announcer(channel, self.run, wall, parameters.domain, resets)
        self._running: Counter[str] = Counter()
        self._number = self.run.next_episode_number(parameters.source)

    def live(self) -> None:
        """Collect what is missing, and report.

        Raises:
            UserError: a task fails all the time, or nothing can be recorded.
            PoolError: a process died.
        """
        try:
            self._collect()
            self._announcer.status(self._state, None, note="writing the report", force=True)
            self._mode.report(self._state, self._announcer.wall_seconds)
            self._announcer.status(self._state, None, force=True)
        finally:
            self._announcer.close()
            self._screen.close()

    def _collect(self) -> None:
        state, source = self._state, self._parameters.source
        self._announcer.status(state, source, force=True)
        work = partial(collect_episode, parameters=self._parameters)
        for episode in as_needed(self._next, work, self._workers):
            self._running[episode.task] -= 1
            for _ in range(episode.steps):
                state.pace.count()
            state.closed(episode)
            self.run.keep_wall_seconds(self._announcer.wall_seconds)
            if episode.status != EpisodeStatus.ABORTED:
                self._announcer.outcome(episode, state.progress)
            self._announcer.status(state, source)

    def _next(self) -> Trial | None:
        """The episode that is needed most; None as long as those that run may be enough."""
        progress = self._state.progress
        assert isinstance(progress, Collection)
        if progress.trouble:
            raise UserError(progress.trouble)
        left = {task: n - self._running[task] for task, n in progress.missing.items()}
        task = max(left, key=lambda name: left[name])
        if left[task] <= 0:
            return None
        self._running[task] += 1
        self._number += 1
        return Trial(task, self._number - 1)
