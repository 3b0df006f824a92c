# SPDX-License-Identifier: Apache-2.0
"""Video files that browsers play."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio.v2 as imageio

from rldg_core.files.atomic_file import written_whole

FAST = ("-preset", "veryfast")
"""for x264: half of the time of its default, at a few per cent more bytes"""


@contextmanager
def video_writer(path: Path, rate: float) -> Iterator[Any]:
    """Imageio's writer of an MP4 at a rate [Hz], to which frames (height, width, 3) uint8 are appended.

    The file is there when all of it is; without a frame there is none.
    """
    with (
        written_whole(path) as draft,
        imageio.get_writer(draft, fps=rate, macro_block_size=2, output_params=[*FAST]) as writer,
    ):
        yield writer
