# SPDX-License-Identifier: Apache-2.0
"""Event files are TensorBoard's own, and cost nothing before their first point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from rldg_core.files.event_file import EventFile


def test_points_are_in_the_file_once_it_is_flushed(tmp_path: Path) -> None:
    board = EventFile(tmp_path / "learner")
    board.flush()
    assert not list(tmp_path.iterdir()), "nothing was drawn"
    board.add_scalar("training/success", 0.5, 3)
    board.flush()
    (file,) = (tmp_path / "learner").iterdir()
    points = [(v.tag, e.step) for e in EventFileLoader(str(file)).Load() for v in e.summary.value]
    board.close()
    assert points == [("training/success", 3)]


def test_tensorboard_is_loaded_with_the_first_point() -> None:
    begin = "import sys; from rldg_core.files.event_file import EventFile; EventFile(None)"
    subprocess.run(
        [sys.executable, "-c", f"{begin}; assert 'tensorboard' not in sys.modules"], check=True
    )
