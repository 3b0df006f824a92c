# SPDX-License-Identifier: Apache-2.0
"""What a recorder does first: bags that a kill or a power cut left are mended, and nothing else is touched."""

from __future__ import annotations

import os
from collections.abc import Iterator

from rldg_rl.episodes.bag import DAMAGED, recover
from rldg_rl.run_folder import RunFolder, is_episode, is_ours, is_whole

LISTED = 10
"""strangers among the bags that are named"""


def mend_bags(run: RunFolder, image_contract: str = "") -> Iterator[str]:
    """Mend a run's bags, and say in words what was found.

    Raises:
        OSError: the folder cannot be written.
    """
    strangers = []
    for bag in sorted(run.bags.iterdir()):
        if bag.name.startswith("."):
            continue  # a mending that was itself interrupted; done again from the original
        if not is_episode(bag.name) or not (is_whole(bag) or is_ours(bag)):
            strangers.append(repr(bag.name))
        elif not is_whole(bag):
            summary = recover(bag, image_contract)
            found = f"{summary.steps} steps" if summary else f"nothing; see {run.bags / DAMAGED}"
            yield f"{bag.name} was never closed, or is damaged: recovered {found}"
    if strangers:
        more = f" and {len(strangers) - LISTED} more" * (len(strangers) > LISTED)
        yield (
            f"left alone in {run.bags}, for they are no episodes of this run: "
            f"{', '.join(strangers[:LISTED])}{more}"
        )


def cannot_record(run: RunFolder, error: Exception) -> str:
    """Why a run's bags cannot be written, and what to do."""
    reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
    return (
        f"cannot record into {run.bags}: {reason}. What was recorded is kept; "
        "make room or make the folder writable, then start the run again under its name"
    )
