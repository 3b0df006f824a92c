# SPDX-License-Identifier: Apache-2.0
"""The scripted operator: inserts as a practised person does, is human about it, helps only when and where it should."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from rldg_core.message_values import SECOND
from rldg_core.poses import Pose
from rldg_core.task import Task, load_task
from rldg_core.twist_action import action_from_twist
from rldg_robot.person.eye import Sight
from rldg_robot.person.intention import Phase
from rldg_robot.person.scripted_operator import (
    DONE,
    OPERATORS,
    PersonTraits,
    ScriptedOperator,
    UnknownPerson,
    load_person,
)
from rldg_robot.simulation.twin import MAX_WIDTH, Twin

TASK = load_task("connector/vga")
PERIOD = int(SECOND * TASK.period)
PERSON = load_person("default")
CONNECTORS = ["vga", "usb_a", "ethernet", "usb_c", "hdmi", "displayport", "xlr"]
EPISODES = 10
ACTIVE = 0.05
"""deflection from which an axis counts as pushed"""


def watchful() -> PersonTraits:
    """Watches every episode."""
    return replace(PERSON, attention=replace(PERSON.attention, probability=1.0))


def steady() -> PersonTraits:
    """Sees and pushes exactly, though late, and never pauses."""
    return replace(
        PERSON,
        eye=replace(PERSON.eye, resolution=0.0, turn_resolution=0.0, slant=0.0, depth=0.0),
        intention=replace(PERSON.intention, hesitation=0.0, mood=0.0),
        hand=replace(PERSON.hand, error=0.0, tremor=0.0),
    )


def sight(stamp: int, z: float = 0.05, x: float = 0.0) -> Sight:
    """The goal lies `z` m ahead along the tool and `x` m aside."""
    pose = TASK.goal_pose @ Pose.from_rotvec([-x, 0, -z], np.zeros(3))
    return Sight(stamp, pose, TASK.goal_pose.relative_to(pose))


def watch(operator: ScriptedOperator, source: str, *sights: Sight) -> np.ndarray:
    """Deflections (n, 6) in an episode of a still arm."""
    operator.begin(source)
    return np.array([operator.deflection(s) for s in sights])


@dataclass(frozen=True)
class OperatorEpisode:
    """One demonstration on the twin."""

    success: bool
    seconds: float
    hand: np.ndarray
    """(n, 6) deflections"""
    offsets: np.ndarray
    """[m] (n, 3) goal in the TCP frame"""
    force: float
    """[N] largest"""
    phases: tuple[Phase, ...]


def demonstrate(task: Task, twin: Twin, operator: ScriptedOperator, seed: int) -> OperatorEpisode:
    """Live one."""
    twin.reset(seed)
    operator.begin("demonstration")
    hand, offsets, forces, phases = [], [], [], []
    while len(hand) < task.horizon and not twin.success:
        pose, offset = twin.pose, twin.offset
        sight = Sight(SECOND + len(hand) * PERIOD, pose, offset, twin.goal_gripper)
        hand.append(operator.deflection(sight))
        if any(operator.buttons):
            twin.command_gripper(MAX_WIDTH if operator.buttons[1] else 0.0, 0.1, 30.0)
        offsets.append(offset.position)
        phases.append(operator.phase)
        action, scale = action_from_twist(hand[-1], pose.quaternion), task.action_scale
        move, turn = action[:3] * scale.translation, action[3:] * scale.rotation
        twin.step(pose @ Pose.from_rotvec(move, turn), task.period)
        forces.append(np.linalg.norm(twin.wrench[:3]))
    return OperatorEpisode(
        twin.success,
        len(hand) * task.period,
        np.array(hand),
        np.array(offsets),
        float(max(forces)),
        tuple(phases),
    )


@pytest.fixture(scope="module")
def by_connector() -> dict[str, list[OperatorEpisode]]:
    """Demonstrations of every connector."""
    found = {}
    for name in CONNECTORS:
        task = load_task(f"connector/{name}")
        twin, operator = Twin(task), ScriptedOperator(task, seed=0)
        found[name] = [demonstrate(task, twin, operator, seed) for seed in range(EPISODES)]
    return found


@pytest.fixture(scope="module")
def all_episodes(by_connector: dict[str, list[OperatorEpisode]]) -> list[OperatorEpisode]:
    """Of all connectors together."""
    return [episode for episodes in by_connector.values() for episode in episodes]


@pytest.mark.parametrize("name", CONNECTORS)
def test_it_demonstrates_every_connector(
    by_connector: dict[str, list[OperatorEpisode]], name: str
) -> None:
    assert sum(episode.success for episode in by_connector[name]) >= 0.8 * EPISODES


@pytest.mark.parametrize(
    "name", ["pick_place/pepper", "fmb_insertion/rectangle", "fmb_assembly/rectangle"]
)
def test_it_demonstrates_the_other_families(name: str) -> None:
    task = load_task(name)
    twin, operator = Twin(task), ScriptedOperator(task, seed=0)
    episodes = [demonstrate(task, twin, operator, seed) for seed in range(6)]
    assert sum(episode.success for episode in episodes) >= 5
    assert max(episode.force for episode in episodes) < 0.75 * task.wrench_limit.force
    assert all((Phase.HANDLE in e.phases) == (task.grasp is not None) for e in episodes)


def test_it_presses_a_button_where_the_fingers_work_and_nowhere_else() -> None:
    operator = ScriptedOperator(TASK, 0, steady())
    operator.begin("demonstration")
    pressed = {}
    for i in range(60):  # it comes nearer, whatever is pushed, and stands still there
        away = max(0.05 - 0.002 * i, 0.002)
        operator.deflection(replace(sight(SECOND + i * PERIOD, z=away), gripper=-1.0))
        pressed[i] = operator.buttons
    assert pressed[0] == (0, 0) and pressed[20] == (0, 0)
    assert pressed[59] == (1, 0) and operator.phase is Phase.HANDLE
    # The object is held, and the next goal is to let it go elsewhere.
    for i in range(60, 70):
        operator.deflection(replace(sight(SECOND + i * PERIOD, z=0.05, x=0.2), gripper=1.0))
    assert operator.buttons == (0, 0) and operator.phase is Phase.APPROACH


def test_it_says_with_both_buttons_that_it_is_done_as_late_as_it_sees() -> None:
    operator = ScriptedOperator(TASK, 0)
    for source in ("demonstration", "policy", "evaluation"):
        operator.begin(source)
        said = []
        for i in range(6):
            seen = replace(sight(SECOND + i * PERIOD, z=0.0), progress=float(i > 1))
            hands_off = not operator.deflection(seen).any()
            said.append(operator.buttons == (1, 1))
            assert hands_off or not said[-1]
        assert said == [False] * 4 + [True] * 2, "0.2 s after it came to be"


def test_it_succeeds_as_often_as_an_expert_and_takes_as_long(
    all_episodes: list[OperatorEpisode],
) -> None:
    seconds = [episode.seconds for episode in all_episodes if episode.success]
    assert len(seconds) >= 0.9 * len(all_episodes)
    assert 4.3 < np.mean(seconds) < 6.0
    quick, slow = np.percentile(seconds, [5, 95])
    assert quick < 3.7
    assert slow > 6.5


def test_it_pushes_one_or_two_axes_at_a_time(all_episodes: list[OperatorEpisode]) -> None:
    axes = (np.abs(np.concatenate([e.hand for e in all_episodes])) > ACTIVE).sum(axis=1)
    pushed = axes[axes > 0]
    assert np.mean(pushed > 2) < 0.15, "more only while the hand goes from one push to the next"
    assert np.mean(pushed == 1) > 0.4


def test_it_shifts_or_turns(all_episodes: list[OperatorEpisode]) -> None:
    hand = np.abs(np.concatenate([e.hand for e in all_episodes])) > ACTIVE
    turns = hand[:, 3:].any(axis=1)
    assert turns.any()
    assert np.mean(hand[turns, :3].any(axis=1)) < 0.5


def test_it_rests_between_pushes(all_episodes: list[OperatorEpisode]) -> None:
    still = np.abs(np.concatenate([e.hand for e in all_episodes])).max(axis=1) < ACTIVE
    assert 0.1 < still.mean() < 0.4


def test_it_goes_too_far_and_comes_back(all_episodes: list[OperatorEpisode]) -> None:
    def goes_too_far(episode: OperatorEpisode) -> bool:
        sideways = episode.offsets[:, :2]
        return bool((sideways * np.sign(sideways[0])).min() < -0.0015)

    assert np.mean([goes_too_far(episode) for episode in all_episodes]) > 0.2


def test_it_presses_and_searches_and_is_gentle_enough(all_episodes: list[OperatorEpisode]) -> None:
    assert np.mean([Phase.PRESS in e.phases for e in all_episodes]) > 0.2
    assert np.mean([Phase.SEARCH in e.phases for e in all_episodes]) > 0.1
    assert max(e.force for e in all_episodes) < 0.75 * TASK.wrench_limit.force


def test_it_starts_late_and_acts_on_what_it_saw_a_moment_ago() -> None:
    delay = round(PERSON.eye.delay * SECOND / PERIOD)
    ahead = [sight(SECOND + i * PERIOD) for i in range(9)]
    hand = watch(ScriptedOperator(TASK, 0, steady()), "demonstration", *ahead)
    assert not hand[:delay].any()
    assert hand[delay, 2] < -ACTIVE
    assert hand[delay + 1, 2] < 1.2 * hand[delay, 2], "the hand follows the will sluggishly"
    # The same, but the goal jumps aside: no sooner than after the delay does the hand know.
    aside = [*ahead[:4], *(sight(SECOND + i * PERIOD, x=0.04) for i in range(4, 9))]
    jumped = watch(ScriptedOperator(TASK, 0, steady()), "demonstration", *aside)
    assert np.array_equal(jumped[: 4 + delay], hand[: 4 + delay])
    assert not np.array_equal(jumped, hand)


def test_it_presses_then_feels_to_the_sides_then_backs_off() -> None:
    operator = ScriptedOperator(TASK, 0, steady())
    operator.begin("demonstration")
    hand, phases = [], []
    for i in range(60):  # it stands on the rim and nothing moves
        hand.append(operator.deflection(sight(SECOND + i * PERIOD, z=0.006, x=0.0008)))
        phases.append(operator.phase)
    order = list(dict.fromkeys(phases))
    down = [Phase.DESCEND, Phase.PRESS, Phase.SEARCH, Phase.BACK_OFF]
    assert [phase for phase in order if phase in down] == down
    deepest = {p: min(h[2] for h, q in zip(hand, phases, strict=True) if q is p) for p in down}
    assert deepest[Phase.PRESS] < deepest[Phase.DESCEND] < 0.0, "harder when nothing moves"
    sides = [abs(h[0]) for h, p in zip(hand, phases, strict=True) if p is Phase.SEARCH]
    assert max(sides) > ACTIVE
    assert max(h[2] for h in hand) > ACTIVE, "out again"


def test_the_eye_errs_more_from_afar() -> None:
    def errors(z: float) -> np.ndarray:
        found = []
        for seed in range(40):
            operator = ScriptedOperator(TASK, seed)
            watch(operator, "demonstration", sight(SECOND, z=z), sight(SECOND + 3 * PERIOD, z=z))
            seen = operator.eye.glance(SECOND + 3 * PERIOD)
            assert seen is not None
            found.append(seen.offset.position - [0.0, 0.0, z])
        return np.std(found, axis=0)

    far, near = errors(0.05), errors(0.002)
    assert (far[:2] > 0.0008).all()
    assert (near < 0.0005).all()
    assert far[2] > far[:2].max(), "depth is hardest to judge"


@pytest.mark.parametrize("source", ["evaluation", ""])
def test_hands_off_where_it_has_no_business(source: str) -> None:
    still = [sight(SECOND + i * PERIOD) for i in range(80)]
    assert not watch(ScriptedOperator(TASK, 0, watchful()), source, *still).any()


@pytest.mark.parametrize("source", ["policy", "evaluation"])
def test_it_leads_up_to_the_hand_over_and_then_no_more(source: str) -> None:
    task = replace(TASK, handover=0.5)
    still = [sight(SECOND + i * PERIOD) for i in range(28)]
    progress = [0.25] * 8 + [0.5] * 10 + [0.25] * 10
    sights = [replace(s, progress=p) for s, p in zip(still, progress, strict=True)]
    hand = watch(ScriptedOperator(task, 0, steady()), source, *sights)
    assert np.abs(hand[:8]).max() > ACTIVE
    assert not hand[8:].any(), "nor when the progress is lost again"


def test_it_helps_a_policy_that_is_stuck_and_lets_go_again() -> None:
    still = [sight(SECOND + i * PERIOD) for i in range(55)]
    hand = watch(ScriptedOperator(TASK, 0, watchful()), "policy", *still)
    assert not hand[:30].any(), "it waits for its patience"
    assert hand[31:50].any(), "then it helps"
    assert not hand[54].any(), "and lets go"


def test_it_leaves_a_policy_alone_that_comes_nearer() -> None:
    nearer = [sight(SECOND + i * PERIOD, z=0.2 - 0.0035 * i) for i in range(50)]
    assert not watch(ScriptedOperator(TASK, 0, watchful()), "policy", *nearer).any()


def test_it_leaves_a_policy_alone_that_goes_on_to_the_next_goal() -> None:
    first = [sight(SECOND + i * PERIOD, z=0.1 - 0.0035 * i) for i in range(26)]
    second = [sight(SECOND + i * PERIOD, z=0.3 - 0.0035 * i) for i in range(26, 76)]
    assert not watch(ScriptedOperator(TASK, 0, watchful()), "policy", *first, *second).any()


def test_asked_whether_it_is_done_it_looks_as_long_as_it_takes() -> None:
    operator = ScriptedOperator(TASK, 0)
    operator.begin("evaluation")
    done = replace(sight(SECOND), progress=TASK.success_progress)
    assert operator.answer(done) and not operator.answer(sight(SECOND))
    operator.deflection(done)
    assert operator.buttons != DONE, "of its own accord it says so as late as it sees anything"


def test_the_same_seed_makes_the_same_hand() -> None:
    ahead = [sight(SECOND + i * PERIOD) for i in range(20)]
    first, again, other = (
        watch(ScriptedOperator(TASK, seed), "demonstration", *ahead) for seed in (7, 7, 8)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.abs(first).max() <= 1.0


def test_an_unknown_person_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownPerson, match="there are: default"):
        load_person("nobody")


def test_every_number_has_a_reason() -> None:
    for path in OPERATORS.glob("*.yaml"):
        numbers = [line for line in path.read_text().splitlines() if line.startswith("  ")]
        assert numbers
        for line in numbers:
            assert len(line.partition("#")[2].split()) > 2, f"{path.name}: why? {line}"
