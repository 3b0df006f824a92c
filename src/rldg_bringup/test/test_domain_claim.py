# SPDX-License-Identifier: Apache-2.0
"""Tests of what is taken for which ROS domain."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from rldg_bringup.arguments import StackError
from rldg_bringup.domain_claim import ros_domain

OF_RCL = "import rclpy; c = rclpy.Context(); c.init(); print(c.get_domain_id())"
SPELLINGS = ("", "0", "00", "129", "0x81", "0X81", " 129", "\t129", "+129", "0201", "231")


@pytest.mark.parametrize("text", SPELLINGS)
def test_a_domain_is_the_one_that_nodes_will_be_in(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", text)

    printed = subprocess.run(
        [sys.executable, "-c", OF_RCL], capture_output=True, text=True, check=True
    ).stdout

    assert ros_domain() == int(printed)


def test_without_a_word_it_is_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROS_DOMAIN_ID", raising=False)

    assert ros_domain() == 0


def test_what_rcl_would_take_for_another_number_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("0129", "1.5", "129 ", "-1", "232", "233", "0b11", "1_0", "\u00b2", "1\n"):
        monkeypatch.setitem(os.environ, "ROS_DOMAIN_ID", text)
        with pytest.raises(StackError, match="is no ROS domain"):
            ros_domain()
