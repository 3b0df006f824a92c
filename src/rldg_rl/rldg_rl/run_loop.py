# SPDX-License-Identifier: Apache-2.0
"""Leads a run from one episode to the next, until nothing is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from rldg_core.user_error import UserError
from rldg_core.vocabulary import Source
from rldg_rl.acting.actor import Actor, EpisodeAborted
from rldg_rl.acting.free_drive import FreeDrive
from rldg_rl.acting.gate_release import GateRelease
from rldg_rl.acting.run_state import RunState
from rldg_rl.acting.schedule import episode_seed
from rldg_rl.environment.reset_count import ResetLedger
from rldg_rl.environment.reset_motion import ResetStalled
from rldg_rl.episode_witness import RECORDER_SECONDS
from rldg_rl.episodes.announcer import Announcer
from rldg_rl.episodes.orphan import orphan_of
from rldg_rl.evaluation.results import RecordFile
from rldg_rl.log import Log
from rldg_rl.modes.mode import Mode
from rldg_rl.robot.robot import RobotSilent
from rldg_rl.run_folder import RunFolder
from rldg_rl.run_parts import Recorder, WaitingRobot
from rldg_rl.waiting import Waiting

RETRY_SECONDS = 1.0
LAST_WORDS_SECONDS = 1.0
FREE = "free driving: y or both buttons begin an episode"


@dataclass
class RunLoop:
    """Waits for whoever is missing before every episode, and starts over where a part failed."""

    run: RunFolder
    seed: int
    mode: Mode
    state: RunState
    records: RecordFile
    """of evaluation episodes"""
    resets: ResetLedger
    moves: bool
    """whether the arm moves to its starts"""
    waiting: Waiting
    robot: WaitingRobot
    recorder: Recorder
    gate: GateRelease
    announcer: Announcer
    log: Log
    close_loop: Callable[[str], None]
    """checks for a task that targets reach the arm, and its state the recorder; see `closed_loop`"""
    company: Sequence[Callable[[], None]]
    """each waits for somebody without whom no episode begins"""
    actors: Mapping[str, Actor]
    """by task"""
    drives: Mapping[str, FreeDrive]
    """by task, where a person drives between the episodes that they ask for"""
    _loop_closed: bool = field(default=False, init=False)

    def live(self) -> None:
        """Lead the run to its end.

        Raises:
            UserError: it cannot go on without a person, or its folder cannot be written.
        """
        try:
            self._lead()
        except OSError as error:
            raise UserError(
                f"cannot write into {self.run.path}: {error.strerror or error}; make room, then start the "
                "run again under its name"
            ) from error

    def _lead(self) -> None:
        self.waiting.until(self.recorder.is_there, "the recorder")
        self._close_orphan()
        self.state.start()
        self._check_records()
        while (source := self.state.progress.source) is not None:
            self.announcer.status(self.state, source, force=True)
            try:
                self._next_episode(source)
            except (RobotSilent, EpisodeAborted) as error:
                self.log.warning(f"episode aborted: {error}")
                self._recover()
            except ResetStalled as error:
                self._ask_for_person(str(error))
        self.mode.finish()
        self.announcer.status(self.state, None, note="writing the report", force=True)
        self.mode.report(self.state, self.announcer.wall_seconds)
        self.announcer.status(self.state, None, force=True)
        self.robot.spin(LAST_WORDS_SECONDS)

    def _close_orphan(self) -> None:
        """Close the episode that an actor before this one was killed in."""
        name = self.recorder.open_episode
        if not name:
            return
        orphan = orphan_of(self.run.bags / name)
        self.robot.wait_for(lambda: self.announcer.is_heard, "the recorder", RECORDER_SECONDS)
        self.announcer.episode(orphan)
        self.robot.wait_for(self.recorder.is_free, "the recorder", RECORDER_SECONDS)

    def _check_records(self) -> None:
        """Check that of every evaluation episode that has a bag there is a record, too.

        Raises:
            UserError: there is not; the report would be of fewer episodes than were run.
        """
        known = {record.bag for record in self.records.read()}
        finished = [e.episode_id for e in self.state.progress.finished(Source.EVALUATION)]
        if lost := [name for name in finished if name not in known]:
            raise UserError(
                f"{self.run.records} lacks {len(lost)} evaluation episodes whose bags are there, beginning with "
                f"{lost[0]}; a power cut may have emptied it. Restore it, or move those bags out of {self.run.bags}: "
                "their episodes are then run again"
            )

    def _next_episode(self, source: str) -> None:
        if self.state.progress.trouble:
            raise UserError(self.state.progress.trouble)
        self.mode.before_episode(source, self.state)
        if not (self._loop_closed or self._close_loop(source)):
            return
        for wait in self.company:
            wait()
        if self.drives and not self._drive_freely():
            return
        if self.moves:  # or the end of the last bag would hear of it
            self.robot.wait_for(self.recorder.is_free, "the recorder", RECORDER_SECONDS)
        self._live_episode(source)

    def _close_loop(self, source: str) -> bool:
        """Whether what is asked for reaches the arm; where a person had to release the gate first, all begins anew."""
        self.waiting.until(lambda: self.robot.hears_gate, "the safety gate")
        if self.robot.stopped and not self.gate.is_due(source):
            self._recover()  # nothing moves before that, not even the twin to a start
            return False
        self.close_loop(self.state.progress.task)
        self._loop_closed = True
        return True

    def _drive_freely(self) -> bool:
        """Until the person wants an episode; whether they did."""

        def goes_on() -> bool:
            self.announcer.status(self.state, self.state.progress.source, note=FREE)
            return self.waiting.goes_on()

        self.drives[self.state.progress.task].until_wanted(goes_on)
        return self.waiting.goes_on()

    def _live_episode(self, source: str) -> None:
        task = self.state.progress.task
        name = self.state.next_episode(source)
        if self.gate.is_due(source):
            self.gate.release(task)  # no episode fails for what was before it
        result = self.actors[task].run_episode(
            name,
            source,
            episode_seed(self.seed, source, self.state.number),
            self.mode.leader(source, task),
            deterministic=self.mode.deterministic,
        )
        if not (result.stopped and self.gate.is_alone(source)):
            return
        if self.gate.possible:
            self.gate.release(self.state.progress.task)
        else:
            self._recover()

    def _ask_for_person(self, trouble: str) -> None:
        """Stop the gate: no episode begins until a person has seen to the arm and released it."""
        self.resets.stuck()
        attention = f"The arm is not at its start: {trouble}. Free it, then: ./rldg run rldg_robot gate reset"
        self.log.error(attention)
        self.gate.stop()
        self._recover(attention)

    def _recover(self, attention: str = "") -> None:
        """Wait until the parts that failed are back, and count again what is on disk."""
        self._loop_closed = False
        while self.waiting.goes_on() and self.robot.stopped:
            note = f"waiting: the gate stopped ({self.robot.stopped})"
            self.announcer.status(self.state, None, note=note, attention=attention)
            self.robot.spin(RETRY_SECONDS)
        self.robot.spin(RETRY_SECONDS)
        self.waiting.until(self.recorder.is_free, "the recorder")
        self.state.recount()
