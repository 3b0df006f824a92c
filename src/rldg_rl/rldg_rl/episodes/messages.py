# SPDX-License-Identifier: Apache-2.0
"""Episodes and a policy's health as messages; steps become theirs in `step`."""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from rldg_core.contract import BASE_FRAME, EMBODIMENT
from rldg_msgs.msg import Episode
from rldg_rl.acting.inference import Health
from rldg_rl.episodes.episode_result import EpisodeResult
from rldg_robot.ros_values import to_stamp


def episode_message(result: EpisodeResult, stamp: int, domain: str) -> Episode:
    """An episode as it stands now: open, or closed with its outcome; `domain` as in `rldg_core.provenance`."""
    message = Episode(
        episode_id=result.episode_id,
        status=result.status.number,
        task=result.task.family,
        variant=result.task.variant,
        instruction=result.instruction or result.task.instruction,
        source=result.source,
        seed=result.seed,
        embodiment=EMBODIMENT,
        region=result.task.region,
        domain=domain,
        steps=result.steps,
        reason=result.reason,
    )
    message.header.stamp = to_stamp(stamp)
    message.header.frame_id = BASE_FRAME
    return message


def health_message(health: Health, stamp: int) -> DiagnosticArray:
    """How a policy keeps up, for `/diagnostics`."""
    status = DiagnosticStatus(
        level=DiagnosticStatus.WARN, name="policy", message="no answer of the model yet"
    )
    latency = health.latency
    if latency is not None:
        late = latency.p95 > health.reach
        status.level = DiagnosticStatus.WARN if late else DiagnosticStatus.OK
        status.message = (
            f"the model takes longer than its chunks reach ({health.reach:.2f} s): the arm waits for it"
            if late
            else "the model keeps up"
        )
        status.values = [
            KeyValue(key="latency median [ms]", value=f"{1000 * latency.median:.1f}"),
            KeyValue(key="latency 95 % [ms]", value=f"{1000 * latency.p95:.1f}"),
            KeyValue(key="latency worst [ms]", value=f"{1000 * latency.worst:.1f}"),
            KeyValue(key="answers", value=str(latency.answers)),
        ]
    status.values = [*status.values, KeyValue(key="steps held", value=str(health.held))]
    message = DiagnosticArray(status=[status])
    message.header.stamp = to_stamp(stamp)
    return message
