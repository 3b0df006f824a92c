# SPDX-License-Identifier: Apache-2.0
"""Stamps are anybody's numbers: clocks that are set, stamps of zero, of another epoch, a year of nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plain_bags import IMAGE, JOY, POSE, Plain, demonstration
from synthetic_bags import START

from rldg_distill.conversion.shard import ConversionRecipe
from rldg_distill.convert import main as convert
from rldg_distill.datasets.episode import BadBag, Episode
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.recordings.foreign.clock_jumps import clock_jumps
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts
from rldg_distill.recordings.foreign.resampling import MessageStream, check_clocks

VGA = StatedFacts(task="connector/vga")
CUT = replace(VGA, clock_jump="cut")
LOG = replace(VGA, clock="log")
SECOND = 10**9
TOPICS = (POSE, IMAGE, JOY)


def read(plain: Plain, folder: Path, stated: StatedFacts = VGA) -> Episode:
    return ConversionRecipe(ImageFormat(), {IMAGE.name: "image"}, stated).read(
        plain.write(folder / "plain")
    )


def refused(plain: Plain, folder: Path, stated: StatedFacts = VGA) -> str:
    with pytest.raises(BadBag) as error:
        read(plain, folder, stated)
    return str(error.value)


def stamped(change: Callable[[float, int], int], topics: tuple[object, ...] = TOPICS) -> Plain:
    """A demonstration whose headers say `change` of the second and the stamp; recorded when it was."""
    plain = demonstration()
    for topic in TOPICS:
        if topic in topics:
            stream = plain.streams[topic.name]
            stream.headers = {s: change((s - START) / SECOND, s) for s in stream.messages}
    return plain


def back(by: float, after: float = 2.0) -> Callable[[float, int], int]:
    return lambda t, stamp: stamp - (int(by * SECOND) if t >= after else 0)


@pytest.mark.parametrize("by", [1.513, 0.3, 0.06, 3600.0, 3e8, -3600.0, -0.8])
def test_a_clock_that_is_set_is_refused_or_cut(tmp_path: Path, by: float) -> None:
    plain = stamped(back(by))
    message = refused(plain, tmp_path / "refused")
    assert "jump" in message and ("ahead" if by < 0 else "back") in message
    assert "--recorded clock_jump=cut" in message and "after 2.0" in message
    episode = read(plain, tmp_path / "cut", CUT)
    assert 18 <= len(episode) <= 20
    assert (np.diff(episode.state_stamp) > 0).all()
    assert episode.state_stamp[0] >= START + int((2.0 - by) * SECOND) - 5_000_000
    assert any("before the clock jumped" in remark for remark in episode.remarks)
    assert len(read(plain, tmp_path / "log", LOG)) == 39


def test_it_is_cut_at_the_last_of_several_jumps(tmp_path: Path) -> None:
    plain = stamped(lambda t, s: s - int((t >= 1.0) * 0.7e9) - int((t >= 2.5) * 0.9e9))
    assert "jump 0.69" in refused(plain, tmp_path / "refused")
    episode = read(plain, tmp_path / "cut", CUT)
    assert 13 <= len(episode) <= 15
    assert episode.state_stamp[0] >= START + 0.9 * SECOND - 5_000_000


def test_messages_out_of_order_within_their_jitter_are_fine(tmp_path: Path) -> None:
    plain = demonstration()
    for topic in TOPICS:
        stream = plain.streams[topic.name]
        stamps = sorted(stream.messages)
        swapped: dict[int, int] = {}  # the second of every pair is recorded before the first
        for first, second in zip(stamps[::2], stamps[1::2], strict=False):
            swapped |= {first: second, second: first}
        stream.headers = swapped
        stream.messages = {s: stream.messages[swapped.get(s, s)] for s in stamps}
    shuffled = read(plain, tmp_path / "shuffled")
    sound = read(demonstration(), tmp_path / "sound")
    np.testing.assert_array_equal(shuffled.state, sound.state)
    np.testing.assert_array_equal(shuffled.action, sound.action)
    assert list(shuffled.images["image"]) == list(sound.images["image"])


@pytest.mark.parametrize("hours", [1.0, -1.0, 24 * 365.0 * 10])
def test_one_message_of_another_time(tmp_path: Path, hours: float) -> None:
    plain = demonstration()
    stamp = plain.stamps(POSE)[200]
    plain.streams[POSE.name].headers = {stamp: stamp + int(hours * 3600 * SECOND)}
    message = refused(plain, tmp_path)
    assert "the stamps of current_pose jump" in message and "at message 200" in message


def test_one_stream_of_another_clock(tmp_path: Path) -> None:
    plain = stamped(lambda _, s: s + 3600 * SECOND, (IMAGE,))
    assert "has stamps 3599.98 s off" in refused(plain, tmp_path)
    mixed = demonstration()
    half = mixed.stamps(JOY)[::2]  # two publishers, one of simulated time
    mixed.streams[JOY.name].headers = {s: s - START + 5 * SECOND for s in half}
    assert "two sources publish" in refused(mixed, tmp_path / "mixed")


def test_all_an_hour_ahead_is_one_clock(tmp_path: Path) -> None:
    ahead = read(stamped(lambda _, s: s + 3600 * SECOND), tmp_path / "ahead")
    np.testing.assert_array_equal(ahead.action, read(demonstration(), tmp_path / "sound").action)


def test_messages_of_stamp_zero_are_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Published before the first /clock."""
    plain = stamped(lambda t, s: 0 if t < 0.25 else s)
    demonstration(1).write(tmp_path / "bags" / "sound")
    plain.write(tmp_path / "bags" / "zero")
    out = tmp_path / "demos"
    arguments = [str(tmp_path / "bags"), "--out", str(out), "--recorded", "task=connector/vga"]
    assert convert(arguments) == 0
    assert "current_pose: 50 messages without a stamp" in capsys.readouterr().err
    about = Dataset(out).contract.recorded.bags
    assert ["remarks" in facts for _, facts in sorted(about.items())] == [False, True]
    lengths = {
        e.metadata.bag: len(e) for name in ("train", "val") for e in Dataset(out).episodes(name)
    }
    assert sorted(lengths.values()) == [37, 39]
    scattered = stamped(lambda t, s: 0 if int(100 * t) % 5 == 0 else s)
    assert len(read(scattered, tmp_path / "scattered")) in (38, 39)
    silent = stamped(lambda t, s: 0 if 1.0 < t < 2.0 else s)
    assert "the latest message of" in refused(silent, tmp_path / "silent")


def test_a_year_between_two_messages_costs_nothing(tmp_path: Path) -> None:
    plain = demonstration()
    for topic in TOPICS:
        stream = plain.streams[topic.name]
        values = next(iter(stream.messages.values()))
        stream.messages = {START: values, START + 86400 * 365 * SECOND: values}
    message = refused(plain, tmp_path)
    assert "spans 31536000 s by its stamps, and an episode has at most 3600 s" in message
    assert "spans" in refused(plain, tmp_path / "log", LOG)


def test_all_recorded_at_one_moment_says_nothing_of_clocks() -> None:
    """As a bag that a program wrote without the times of recording."""
    times = START + np.arange(40, dtype=np.int64) * SECOND // 10
    pose, image = (
        MessageStream(t.name, t.type, np.zeros_like(times), times, []) for t in (POSE, IMAGE)
    )
    check_clocks([pose, image], pose)


def test_two_messages_and_equal_stamps(tmp_path: Path) -> None:
    plain = demonstration()
    for topic in TOPICS:
        plain.keep(topic, 0.03, 0.1)
    assert "no control step" in refused(plain, tmp_path / "few")
    frozen = stamped(lambda _t, _s: START)
    assert "no control step" in refused(frozen, tmp_path / "frozen")
    frozen = stamped(lambda _t, _s: START + SECOND, (POSE,))
    assert "current_pose" in refused(frozen, tmp_path / "pose")
    doubled = stamped(lambda _, s: s - s % 20_000_000)
    assert len(read(doubled, tmp_path / "doubled")) == 39


def test_times_of_recording_that_are_none(tmp_path: Path) -> None:
    plain = demonstration()
    plain.streams[POSE.name].delay = 2**62 - START
    assert "no time" in refused(plain, tmp_path)


def test_no_jump_in_order_and_fast_simulated_time() -> None:
    logs = np.arange(100) * 100_000_000
    for times in (logs, 5 * logs, np.sort(np.random.default_rng(0).integers(0, 10**10, 100))):
        assert clock_jumps(times.astype(np.int64), np.maximum(logs, times // 5), logs) == []
    assert clock_jumps(np.array([5]), np.array([5]), np.array([0])) == []
    assert [jump.number for jump in clock_jumps(logs[::-1].copy(), logs, logs)] != []


def test_the_time_of_recording_may_be_set_too(tmp_path: Path) -> None:
    """NTP sets the clock of the recorder with that of the drivers: only the order of the file tells."""
    plain = demonstration()
    for topic in TOPICS:
        stream = plain.streams[topic.name]
        stream.headers = {s: back(1.513)((s - START) / SECOND, s) for s in stream.messages}
    plain.set_back = (START + 2 * SECOND, 1_513_000_000)
    assert "jump 1.5" in refused(plain, tmp_path / "refused")
    assert 18 <= len(read(plain, tmp_path / "cut", CUT)) <= 20
    assert "jump 1.5" in refused(plain, tmp_path / "log", LOG)


def test_what_a_latched_topic_said_long_ago_is_no_jump() -> None:
    order = np.arange(4)
    logs = START + np.array([0, 300, 400, 500]) * 10**6
    latched = START + np.array([-4000, 295, 395, 495]) * 10**6
    assert clock_jumps(latched, logs, order) == []
    set_ahead = START + np.array([-5, 295, 395 + 4000, 495 + 4000]) * 10**6
    assert [jump.number for jump in clock_jumps(set_ahead, logs, order)] == [2]
