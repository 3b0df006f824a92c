# SPDX-License-Identifier: Apache-2.0
"""Bags between two machines: the recorder gives its closed ones, a learner elsewhere asks until it has them all."""

from __future__ import annotations

import array
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from rclpy.executors import Executor
from rclpy.node import Node

from rldg_core import contract
from rldg_core.bags.bag_reader import METADATA, is_complete
from rldg_core.files.atomic_file import publish
from rldg_msgs.srv import NextBag
from rldg_rl.episodes.bag import put_aside
from rldg_rl.own_run import tell_stranger
from rldg_rl.run_folder import RunFolder, is_episode, is_ours, is_whole

PATIENCE = 10.0  # [s] of wall time for one answer, until it is asked for again
STRANGER_SECONDS = 0.5
INCOMING = ".incoming"


def give(run: RunFolder, request: NextBag.Request) -> NextBag.Response:
    """The first closed bag of a run that is not among those that the caller has."""
    have = set(request.have)
    for bag in run.own_bags():
        if bag.name in have or not is_complete(bag):
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
    if not is_episode(given.name):
        raise ValueError(f"'{given.name}' is no name of a bag: is that the recorder of this run?")
    workplace = run.bags / INCOMING
    shutil.rmtree(workplace, ignore_errors=True)
    draft = workplace / given.name
    draft.mkdir(parents=True)
    (draft / f"{given.name}.mcap").write_bytes(bytes(given.mcap))
    (draft / METADATA).write_text(given.metadata)
    path = run.bags / given.name
    publish(draft, path)
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

    def fetch(self, on_progress: Callable[[int], None]) -> list[Path]:
        """Ask until this machine has all closed bags, as long as it takes; returns the new ones.

        Args:
            on_progress: called with the number of those that have come, while it waits, too.
        """
        new: list[Path] = []
        refused: list[str] = []
        for bag in [bag for bag in self._run.own_bags() if is_ours(bag) and not is_whole(bag)]:
            self._node.get_logger().warning(f"{bag} is damaged: put aside, and fetched again")
            put_aside(bag)
        while rclpy.ok():
            given = self._ask(lambda: on_progress(len(new)), refused)
            if given is None or not given.name:
                break
            try:
                new.append(keep(self._run, given))
            except ValueError as error:
                self._node.get_logger().error(str(error))
                if given.name in refused:  # that is no recorder of ours, and would never end
                    break
                refused.append(given.name)
        return new

    def _ask(self, waits: Callable[[], None], refused: list[str]) -> NextBag.Response | None:
        """One answer; None after a shutdown."""
        have = [bag.name for bag in self._run.own_bags() if is_complete(bag)] + refused
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
