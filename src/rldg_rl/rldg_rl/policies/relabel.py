# SPDX-License-Identifier: Apache-2.0
"""What would the specialist have done? A run's episodes with its actions at the recorded states, as new bags.

The RLDG paper (Xu et al. 2024, figure 7) asks so whether RL data are better for their actions or for their states. A
relabelled episode is no experience, for its states followed from other actions: it is for students, never for
reinforcement learning. Of a student's own episodes, whatever their outcome, it is the labelling of DAgger (Ross et al.
2011): the specialist says what it would have done where the student came to.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rldg_core.bags.bag_reader import (
    EpisodeSummary,
    custom_data,
    decode,
    is_complete,
    raw_messages,
    read_summary,
    typestore,
)
from rldg_core.commands.argument_types import name_of, place, seed_value
from rldg_core.commands.command_line import Parser, UsageError, command, once, pointless
from rldg_core.commands.visible import tell_error, visible
from rldg_core.contract import EPISODE, STEP, Topic
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.safe_name import check_name
from rldg_core.image_contract import KEY as IMAGE_CONTRACT
from rldg_core.task import load_task, task_ids
from rldg_core.user_error import UserError
from rldg_core.vocabulary import LED_BY_POLICY, EpisodeStatus, ExecutedBy, Source
from rldg_rl.acting.collection import ALL
from rldg_rl.acting.schedule import mean_seconds
from rldg_rl.agent.checkpoint import CheckpointError
from rldg_rl.episodes.bag import BagWriter, recorded_steps
from rldg_rl.episodes.step import Belief, belief_fields
from rldg_rl.named_run import named_run
from rldg_rl.policies.live_policy import LivePolicy
from rldg_rl.policies.trained_policy import specialist
from rldg_rl.run_folder import RunFolder


class RelabelError(UserError):
    """A person has to change something; the message says what."""


def relabel(bag: Path, out: Path, policy: LivePolicy, seed: int) -> None:
    """Write an episode anew, with what a policy draws at every recorded state.

    Everything else stays as it was, byte for byte, but for the source. A kill leaves no closed bag.

    Args:
        bag: the episode.
        out: folder of the new one; replaced if it is there.
        policy: whose actions.
        seed: of the draws.
    """
    task = load_task(read_summary(bag).task)
    steps = [step for step in recorded_steps(bag, task, policy.looks) if step.handed_over]
    if steps:
        policy.begin(steps[0].seen, seed)
    actions = {step.index: policy.act(step.seen, step.state, False) for step in steps}
    shutil.rmtree(out, ignore_errors=True)
    writer = BagWriter(out, custom_data(bag).get(IMAGE_CONTRACT, ""))
    for topic, _, time, cdr in raw_messages(bag):
        content = cdr
        if topic == STEP.name:
            content = _encode(STEP, _relabelled(decode(STEP, cdr), actions))
        elif topic == EPISODE.name:
            content = _encode(EPISODE, replace(decode(EPISODE, cdr), source=Source.RELABELLED))
        writer.write(topic, time, content)
    writer.close(replace(read_summary(bag), source=Source.RELABELLED, interventions=0))


def _relabelled(step: Any, actions: Mapping[int, Belief]) -> Any:
    """A rldg_msgs/Step with the specialist's action; what the specialist does not decide stays."""
    if int(step.index) not in actions:  # before the task's hand-over, which is no specialist's
        return step
    decision = actions[int(step.index)]
    left = step.action[len(decision.action) :]
    return replace(
        step,
        action=np.concatenate([decision.action, left]).astype(np.float32),
        executed_by=int(ExecutedBy.POLICY),
        **belief_fields(decision),
    )


def _encode(topic: Topic, message: Any) -> bytes:
    return bytes(typestore().serialize_cdr(message, topic.type))


def relabel_run(
    run: RunFolder,
    out: RunFolder,
    policies: Mapping[str, Path],
    seed: int,
    status: str = EpisodeStatus.SUCCESS,
) -> int:
    """Relabel episodes of a run; goes on where it was killed.

    Args:
        run: whose episodes.
        out: where the new ones go.
        policies: checkpoint by task.
        seed: of the draws.
        status: of the episodes; ALL: whatever their outcome.

    Returns:
        How many there are.

    Raises:
        RelabelError: a task has no policy, there is nothing to relabel, or steps before a hand-over have no label.
        UsageError: a policy has no episodes.
        CheckpointError: a policy cannot be read.
    """
    episodes = [episode for episode in run.episodes() if status in (ALL, episode.status)]
    if not episodes:
        among = ": --status all takes those of any outcome" if status != ALL else ""
        raise RelabelError(f"{run.path} has no {_kind(status)}episodes{among}")
    if unled := {episode.task for episode in episodes} - set(policies):
        raise RelabelError(f"{', '.join(sorted(unled))} needs a specialist: --policy <task>=<run>")
    if idle := sorted(set(policies) - {episode.task for episode in episodes}):
        why = f"{run.path} has no {_kind(status)}episode of it"
        raise pointless(f"--policy {idle[0]}=<run>", why, "Leave it out")
    if alone := sorted({e.task for e in episodes if _unlabelled(e)}):
        raise RelabelError(
            f"{run.path} has episodes of {alone[0]} in which a policy acted before the hand-over, from which on the "
            "specialist knows what to do: such steps have no label. Give episodes that a person led in"
        )
    specialists = {
        task: specialist(checkpoint, load_task(task)) for task, checkpoint in policies.items()
    }
    out.bags.mkdir(parents=True, exist_ok=True)
    for index, episode in enumerate(episodes):
        check_name(episode.episode_id, "an episode")
        new = out.bags / episode.episode_id
        if not is_complete(new):
            draws = int(np.random.SeedSequence((seed, index)).generate_state(1)[0])
            relabel(run.bags / episode.episode_id, new, specialists[episode.task], draws)
    write_atomically(out.summary, json.dumps(_summary(run, episodes), indent=2) + "\n")
    return len(episodes)


def _unlabelled(episode: EpisodeSummary) -> bool:
    """Whether a policy, not a person, led up to the task's hand-over."""
    by_policy = episode.source in LED_BY_POLICY and not episode.lead_in
    return by_policy and load_task(episode.task).handover > 0.0


def _kind(status: str) -> str:
    return "" if status == ALL else "successful "


def _summary(run: RunFolder, episodes: list[EpisodeSummary]) -> dict[str, Any]:
    """Of every task, how many episodes, and how long successes took the one who executed them."""
    tasks = {}
    for task in sorted({episode.task for episode in episodes}):
        of_task = [episode for episode in episodes if episode.task == task]
        mean = mean_seconds(of_task)
        tasks[task] = {
            "episodes": len(of_task),
            "successes": sum(e.status == EpisodeStatus.SUCCESS for e in of_task),
            "mean_cycle_seconds": None if mean is None else round(mean, 3),
        }
    return {"source": Source.RELABELLED, "of": run.path.name, "tasks": tasks}


@command("relabel")
def main(words: list[str] | None = None) -> int:
    """Exit code: 0 done, 1 cannot be, 2 a person has to change something."""
    parser = Parser("relabel", description=__doc__)
    parser.add_argument("run", help="whose episodes: its folder, or its name in --runs")
    parser.add_argument(
        "--policy",
        action="append",
        required=True,
        metavar="TASK=RUN",
        help="the specialist of a task, by the folder of its run, or its name in --runs; may be repeated",
    )
    parser.add_argument(
        "--name",
        type=name_of("the new run's name"),
        required=True,
        help="of the new run; an earlier one's name resumes it",
    )
    parser.add_argument(
        "--status",
        choices=(str(EpisodeStatus.SUCCESS), ALL),
        default=str(EpisodeStatus.SUCCESS),
        help="episodes to relabel: success alone, or all of any outcome (success)",
    )
    parser.add_argument("--seed", type=seed_value, default=0, help="of the draws (0)")
    parser.add_argument(
        "--runs", type=place, default=Path("runs"), help="folder of the runs (runs)"
    )
    given = parser.parse_args(words)
    run = RunFolder(named_run(given.run, given.runs))
    out = RunFolder(given.runs / given.name)
    if out.path.absolute() == run.path:
        raise UsageError(f"--name {given.name} is the run itself: give the new one another name")
    policies = dict(_policy(text, given.runs) for text in once("--policy", given.policy))
    if len(policies) < len(given.policy):
        raise UsageError("--policy names a task twice: one specialist acts on each")
    try:
        if not run.bags.is_dir():
            raise RelabelError(f"there is no run with bags at {run.path}")
        count = relabel_run(run, out, policies, given.seed, given.status)
    except (CheckpointError, OSError) as error:
        tell_error("relabel", error)
        return 1
    who = ", ".join(given.policy)
    print(visible(f"{out.path}: {count} episodes of {run.path.name} with the actions of {who}"))
    return 0


def _policy(text: str, runs: Path) -> tuple[str, Path]:
    """Task and checkpoint of `family/variant=<run>`.

    Raises:
        UsageError: it is written otherwise, there is no such task, or its run has no specialist.
    """
    task, _, name = text.partition("=")
    if task not in task_ids() or not name:
        raise UsageError(
            f"--policy {text} is not family/variant=<run>. Tasks: {', '.join(task_ids())}"
        )
    checkpoint = RunFolder(named_run(name, runs)).policy_checkpoint
    if not checkpoint.is_file():
        raise UsageError(
            f"--policy {text}: that run has no specialist, for there is no {checkpoint}"
        )
    return task, checkpoint


if __name__ == "__main__":
    sys.exit(main())
