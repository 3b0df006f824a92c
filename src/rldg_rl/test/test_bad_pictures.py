# SPDX-License-Identifier: Apache-2.0
"""Pictures that the learner is sent are checked before they are used."""

from __future__ import annotations

import array

import numpy as np
import pytest

from rldg_core.files.picture import BadPicture
from rldg_msgs.msg import Transition
from rldg_rl.episodes.step import received_step


def transition(height: int, width: int, size: int) -> Transition:
    return Transition(image_height=height, image_width=width, image=array.array("B", bytes(size)))


@pytest.mark.parametrize(
    ("height", "width", "size"), [(128, 128, 10), (0, 0, 10), (2**16 - 1, 2**16 - 1, 3), (2, 2, 13)]
)
def test_an_image_of_another_size_than_it_says_is_a_bad_picture(
    height: int, width: int, size: int
) -> None:
    with pytest.raises(BadPicture, match=f"a picture of {width}x{height} has {size} bytes"):
        received_step(transition(height, width, size))


def test_a_whole_one_is_taken() -> None:
    image = received_step(transition(2, 3, 18)).image
    assert image is not None and image.shape == (2, 3, 3) and image.dtype == np.uint8
