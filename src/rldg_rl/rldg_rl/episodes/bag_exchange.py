# SPDX-License-Identifier: Apache-2.0
"""Bags between two machines: the recorder gives its closed ones, a learner elsewhere asks until it has them all."""

from __future__ import annotations

import array
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from rclpy.executors import Executor
from rclpy.node import Node

from rldg_msgs.srv import NextBag
from rldg_rl.own_run import tell_stranger
from rldg_rl.run_folder import RunFolder
from rldg_robot import contract
from rldg_robot.bag_reader import is_complete

PATIENCE = 10.0  # [s] of wall time for one answer, until it is asked for again
STRANGER_SECONDS = 0.5
INCOMING = ".incoming"


def give(run: RunFolder, request: NextBag.Request) -> NextBag.Response:
    """The first closed bag of a run that is not among those that the caller has."""
    have = set(request.have)
    for bag in sorted(run.bags.iterdir()):
        if bag.name in have or bag.name.startswith(".") or not is_complete(bag):
            continue
        # rclpy copies an array.array at once and anything else byte by byte.
        mcap = array.array("B", (bag / f"{bag.name}.mcap").read_bytes())
        metadata = (bag / "metadata.yaml").read_text()
        return NextBag.Response(run=run.name, name=bag.name, mcap=mcap, metadata=metadata)
    return NextBag.Response(run=run.name)


def keep(run: RunFolder, given: NextBag.Response) -> Path:
    """Put a bag that was given into a run; a kill leaves it whole there, or not at all.

    Raises:
        ValueError: its name is none of a bag's.
    """
    if not re.fullmatch(r"\w+", given.name):
        raise ValueError(f"'{given.name}' is no name of a bag: is that the recorder of this run?")
    workplace = run.bags / INCOMING
    shutil.rmtree(workplace, ignore_errors=True)
    draft = workplace / given.name
    draft.mkdir(parents=True)
    (draft / f"{given.name}.mcap").write_bytes(given.mcap)
    (draft / "metadata.yaml").write_text(given.metadata)
    path = draft.rename(run.bags / given.name)
    workplace.rmdir()
    return path


class BagTaker:
    """Fetches what a run on another machine has recorded."""

    def __init__(self, node: Node, executor: Executor, run: RunFolder) -> None:
        """Make the client.

        Args:
            node: that asks.
            executor: that spins it.
            run: where the bags go.
        """
        self._node = node
        self._executor = executor
        self._run = run
        self._client = node.create_client(NextBag, contract.NEXT_BAG)

    def fetch(self, told: Callable[[int], None]) -> list[Path]:
        """Ask until this machine has all closed bags, as long as it takes; returns the new ones.

        Args:
            told: called with the number of those that have come, while it waits, too.
        """
        new: list[Path] = []
        while rclpy.ok():
            given = self._ask(lambda: told(len(new)))
            if given is None or not given.name:
                break
            new.append(keep(self._run, given))
        return new

    def _ask(self, waits: Callable[[], None]) -> NextBag.Response | None:
        """One answer; None after a shutdown."""
        have = [bag.name for bag in self._run.bags.iterdir() if is_complete(bag)]
        while rclpy.ok():
            asked = self._client.call_async(NextBag.Request(have=have))
            end = time.monotonic() + PATIENCE
            while rclpy.ok() and not asked.done() and time.monotonic() < end:
                self._executor.spin_once(timeout_sec=0.1)
                waits()
            if not asked.done():
                self._client.remove_pending_request(asked)
            elif (given := asked.result()).run == self._run.name:
                return given
            else:
                tell_stranger(self._node, contract.NEXT_BAG, given.run, self._run)
                time.sleep(STRANGER_SECONDS)
        return None
