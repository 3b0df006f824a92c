# SPDX-License-Identifier: Apache-2.0
"""Event files hold what TensorBoard's own writer would have written."""

from __future__ import annotations

import math
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary import Writer

from rldg_core.files.event_file import EventFile

POINTS = (("training/success", 1.0, 3), ("learner/actor_loss", -0.1, 2**40), ("a", math.nan, 0))


def read(folder: Path) -> list[Event]:
    (file,) = folder.iterdir()
    events = [Event.FromString(data) for data in RawEventFileLoader(str(file)).Load()]
    for event in events:
        event.ClearField("wall_time")
        event.ClearField("source_metadata")
    return events


def test_scalars_are_those_of_tensorboards_own_writer(tmp_path: Path) -> None:
    ours, theirs = EventFile(tmp_path / "a" / "ours"), Writer(str(tmp_path / "theirs"))
    for point in POINTS:
        ours.add_scalar(*point)
        theirs.add_scalar(*point)
    written = read(tmp_path / "a" / "ours")  # before it is closed
    ours.close()
    theirs.close()
    expected = read(tmp_path / "theirs")
    assert [e.SerializeToString() for e in written] == [e.SerializeToString() for e in expected]
    assert len(written) == 1 + len(POINTS)


def test_two_files_of_one_moment_are_two(tmp_path: Path) -> None:
    for _ in range(2):
        EventFile(tmp_path).close()
    assert len(list(tmp_path.iterdir())) == 2
