# SPDX-License-Identifier: Apache-2.0
"""What becomes of the policy camera's pictures in bags made elsewhere: cropped and sized as the robot shows them.

A student is asked with the pictures that the robot contract offers, square ones of one size, and knows only what it was
trained on. So a conversion does to other pictures what `wrist_camera` would do to that camera's, under the image
contract that the dataset, its students and a live camera carry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from rldg_core.bags.bag_reader import custom_data
from rldg_core.contract import WRIST_IMAGE
from rldg_core.image_contract import KEY, SIZE, ImageContract
from rldg_core.user_error import UserError
from rldg_distill.recordings.cameras import first_size
from rldg_distill.recordings.foreign.foreign_bag import ForeignBag


@dataclass(frozen=True)
class PictureConversion:
    """How the pictures of bags made elsewhere become those of the robot contract."""

    size: int = SIZE
    """[pixel] of either side of what the robot shows"""
    contract: ImageContract | None = None
    """of the bags that this project's recorder wrote, where a real camera took their pictures"""

    def of(self, height: int, width: int) -> ImageContract | None:
        """What is done to pictures of that size; None: they are as the robot shows them."""
        if (height, width) == (self.size, self.size):
            return None
        if self.contract and (height, width) == (self.contract.height, self.contract.width):
            return self.contract
        return ImageContract.centred(width, height, self.size)


def settle_view(
    bags: Iterable[Path], recordings: Mapping[Path, ForeignBag]
) -> tuple[PictureConversion, str, dict[Path, ForeignBag]]:
    """How the pictures of all bags become alike.

    Args:
        bags: that are to be converted.
        recordings: those among them that were made elsewhere.

    Returns:
        The view; the image contract of the dataset, empty where no camera of its own took the pictures; and
        `recordings` with what becomes of their pictures.

    Raises:
        UserError: bags of different image contracts, or one that cannot be read.
    """
    own = [bag for bag in bags if bag not in recordings]
    contracts = {str(custom_data(bag).get(KEY, "")) for bag in own}
    _check_alike(contracts)
    contract = "".join(contracts)
    if not recordings:
        return PictureConversion(), contract, {}
    sides = (first_size(bag, WRIST_IMAGE.name) for bag in own)
    side = next(filter(None, sides), (SIZE, SIZE))
    view = PictureConversion(
        side[0] if side[0] == side[1] else SIZE, ImageContract.stored(contract)
    )
    sizes = {bag: first_size(bag, r.topics[WRIST_IMAGE.name]) for bag, r in recordings.items()}
    done = {bag: str(view.of(*size) or "") for bag, size in sizes.items() if size}
    if contract:
        _check_alike({contract, *done.values()})
    seen = Counter(filter(None, done.values()))
    most = contract or (seen.most_common(1)[0][0] if seen else "")
    said = {bag: replace(r, pictures=done.get(bag, "")) for bag, r in recordings.items()}
    return view, most, said


def _check_alike(contracts: set[str]) -> None:
    if len(contracts) > 1:
        listed = ", ".join(sorted(contract or "none" for contract in contracts))
        raise UserError(
            f"bags of different image contracts ({listed}) do not fit into one dataset: a policy would see other parts "
            "of the image. Convert them separately"
        )
