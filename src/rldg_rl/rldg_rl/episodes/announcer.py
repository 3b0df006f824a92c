# SPDX-License-Identifier: Apache-2.0
"""What the actor tells of a run beside its steps: episodes to the recorder, progress to people."""

from __future__ import annotations

import time

from rldg_core import contract
from rldg_core.bags.bag_reader import EpisodeSummary
from rldg_core.files.event_file import EventFile
from rldg_core.vocabulary import Source
from rldg_msgs.msg import RunStatus
from rldg_rl.acting.collection import Collection
from rldg_rl.acting.inference import Health
from rldg_rl.acting.run_state import RunState
from rldg_rl.acting.schedule import DONE, RunProgress, autonomous_success
from rldg_rl.environment.reset_count import ResetLedger
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_rl.episodes.messages import episode_message, health_message
from rldg_rl.run_folder import RunFolder
from rldg_rl.run_parts import TopicChannel
from rldg_robot.ros_values import to_stamp

STATUS_PERIOD = 0.25  # [s] of wall time
HEALTH_PERIOD = 1.0  # [s] of wall time


class Announcer:
    """Publishers of the actor, and its TensorBoard."""

    def __init__(
        self,
        channel: TopicChannel,
        run: RunFolder,
        wall_before: float,
        domain: str,
        resets: ResetLedger,
    ) -> None:
        """Make the publishers.

        Args:
            channel: that it publishes on.
            run: that is reported.
            wall_before: wall time that earlier starts spent on the run [s].
            domain: that the robot acts in, see `rldg_core.provenance`.
            resets: the run's motions to a start so far.
        """
        self._now = channel.now
        self._run = run.name
        self._domain = domain
        self._resets = resets
        self._started = time.monotonic() - wall_before
        self._diagnostics = channel.publisher(contract.DIAGNOSTICS)
        self._health_published = 0.0
        self._status_published = 0.0
        self._source: str = Source.DEMONSTRATION  # published last
        self._episode = channel.publisher(contract.EPISODE)
        self._status = channel.publisher(contract.RUN_STATUS)
        self._board = EventFile(run.tensorboard / "actor")

    @property
    def wall_seconds(self) -> float:
        """Wall time spent on the run, earlier starts included."""
        return time.monotonic() - self._started

    @property
    def is_heard(self) -> bool:
        """Whether somebody listens to episodes."""
        return bool(self._episode.get_subscription_count())

    def episode(self, result: EpisodeResult) -> None:
        """Tell that an episode was opened or closed."""
        self._episode.publish(episode_message(result, self._now(), self._domain))

    def health(self, health: Health | None) -> None:
        """Tell how a policy that takes its time fares, once a second."""
        if health is None or time.monotonic() - self._health_published < HEALTH_PERIOD:
            return
        self._health_published = time.monotonic()
        self._diagnostics.publish(health_message(health, self._now()))

    def outcome(self, episode: EpisodeSummary, progress: RunProgress | Collection) -> None:
        """Write an episode's outcome to TensorBoard; a policy's over its steps, the others' over episodes."""
        source = episode.source
        number = progress.steps if source == Source.POLICY else len(progress.finished(source))
        phase = progress.phase(source)
        for name, value in {
            "success": float(autonomous_success(episode)),
            "success_rate": progress.success_rate(source),
            "seconds": episode.seconds,
            "interventions": episode.interventions,
        }.items():
            self._board.add_scalar(f"{phase}/{name}", value, number)
        self._board.flush()

    def status(
        self,
        state: RunState,
        source: str | None,
        note: str = "",
        force: bool = False,
        attention: str = "",
    ) -> None:
        """Tell where the run stands, a few times a second at most.

        Args:
            state: of the run.
            source: of the episodes that are being run; None: of the last ones, and without a note the run is done.
            note: what the run waits for; empty: nothing.
            force: tell it now.
            attention: what a person has to see to before the run goes on.
        """
        if not (force or note) and time.monotonic() - self._status_published < STATUS_PERIOD:
            return
        self._status_published = time.monotonic()
        progress = state.progress
        self._source = source or self._source
        done = source is None and not note
        message = RunStatus(
            **(progress.counts() | {"steps": state.policy_steps}),
            run=self._run,
            task=progress.task,
            phase=DONE if done else progress.phase(self._source),
            note=note,
            steps_per_second=state.pace.per_second(),
            wall_seconds=self.wall_seconds,
            reset_seconds=self._resets.mean_seconds,
            attention=attention,
        )
        message.success_rate = progress.success_rate(self._source)
        message.cycle_seconds = progress.cycle_seconds(self._source)
        if source is not None:
            message.seconds_left = state.pace.seconds_for(progress.steps_left)
        message.header.stamp = to_stamp(self._now())
        self._status.publish(message)

    def close(self) -> None:
        """Finish TensorBoard's files."""
        self._board.close()
