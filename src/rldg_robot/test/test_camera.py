# SPDX-License-Identifier: Apache-2.0
"""Crop, size and watch of a camera's pictures."""

from __future__ import annotations

import numpy as np
import pytest

from rldg_core.image_contract import ImageContract
from rldg_core.message_values import SECOND
from rldg_core.user_error import UserError
from rldg_robot.camera.watch import CameraWatch, FrameRateLimiter


def test_a_contract_is_read_and_written() -> None:
    contract = ImageContract.read("848x480:10,20,400,300")
    assert (contract.width, contract.height, contract.box) == (848, 480, (10, 20, 400, 300))
    assert str(contract) == "1:848x480:10,20,400,300:128"
    assert ImageContract.read("640x480:80,0,480,480") == ImageContract()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("640x480", "is not valid: it takes"),
        ("640x480:161,0,480,480", "reaches beyond the image"),
        ("640x480:0,0,0,10", "reaches beyond the image"),
    ],
)
def test_an_invalid_contract_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ImageContract.read(text)


def test_only_the_box_is_seen_and_every_pixel_of_it_counts_alike() -> None:
    picture = np.full((480, 640, 3), 255, np.uint8)
    picture[:, 80:560] = np.random.default_rng(0).integers(0, 200, (480, 480, 3))
    seen = ImageContract().apply(picture)
    assert seen.shape == (128, 128, 3) and seen.dtype == np.uint8
    assert seen.max() < 200, "nothing from beside the box"
    inside = picture[:, 80:560].astype(float)
    assert seen.mean() == pytest.approx(inside.mean(), abs=0.6)
    whole = ImageContract(256, 256, (0, 0, 256, 256)).apply(picture[:256, 100:356])
    blocks = picture[:256, 100:356].reshape(128, 2, 128, 2, 3).mean((1, 3))
    assert np.abs(whole - blocks).max() <= 1.0, "rounded once in either direction"


def test_the_camera_matrix_follows_the_picture() -> None:
    """A point in space is seen where its pixel went."""
    contract = ImageContract(640, 480, (80, 0, 480, 480))
    matrix = np.array([[430.0, 0, 321], [0, 440.0, 239], [0, 0, 1]])
    point = np.array([0.02, -0.02, 0.2])
    column, row = (matrix @ point / point[2])[:2]
    picture = np.zeros((480, 640, 3), np.uint8)
    picture[round(row) - 4 : round(row) + 5, round(column) - 4 : round(column) + 5] = 255
    seen = contract.apply(picture)[:, :, 0].astype(float)
    rows, columns = np.indices(seen.shape)
    found = np.array([(columns * seen).sum(), (rows * seen).sum()]) / seen.sum()
    expected = (contract.camera_matrix(matrix) @ point / point[2])[:2]
    assert np.allclose(found, expected, atol=0.15)


@pytest.mark.parametrize(("camera", "taken"), [(30, 30), (60, 30), (90, 30), (15, 15)])
def test_a_fast_camera_is_thinned_out_evenly(camera: int, taken: int) -> None:
    pace, random = FrameRateLimiter(30.0), np.random.default_rng(0)
    jitter = random.uniform(-0.08, 0.08, 4 * camera)
    start = 1_700_000_000 * SECOND
    stamps = [start + int(SECOND * (i + jitter[i]) / camera) for i in range(4 * camera)]
    kept = [stamp for stamp in stamps if pace.takes(stamp)]
    assert abs(len(kept) - 4 * taken) <= 4, "but for the first ones"
    assert np.diff(kept).max() < 1.5 * SECOND / taken
    assert pace.takes(start - 100 * SECOND), "a clock that jumped back"


def watched(seconds: float, rate: float, delay: float = 0.01) -> CameraWatch:
    watch = CameraWatch()
    for stamp in np.arange(0.0, seconds, 1 / rate):
        watch.arrived(stamp, stamp + delay)
    return watch


def test_a_camera_is_fresh_stale_slow_or_of_another_time() -> None:
    assert "no image has come" in CameraWatch().report(5.0).message
    report = watched(4.0, 30.0).report(4.0)
    assert report.ok and report.rate == pytest.approx(30, abs=1)
    assert report.delay == pytest.approx(0.01)
    assert "0.5 s old" in watched(4.0, 30.0).report(4.5 - 1 / 30).message
    assert "5 images/s" in watched(4.0, 5.0).report(3.9).message
    assert "from the future" in watched(4.0, 30.0, delay=-1.0).report(3.0).message
    wrong = watched(4.0, 30.0)
    wrong.trouble = "images are 848x480"
    assert wrong.report(4.0).message == "images are 848x480"
