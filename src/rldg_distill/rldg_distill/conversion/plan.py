# SPDX-License-Identifier: Apache-2.0
"""What a conversion is going to do: which bags go into which file, and what all of them have in common.

Derived from the bags' metadata and the first bags that can be read. The same plan always gives the same bytes, whoever
carries it out and in however many goes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

from rldg_core.bags.bag_reader import read_summary
from rldg_core.commands.command_line import UsageError
from rldg_core.contract import CONTRACT_VERSION, WRIST_IMAGE
from rldg_core.files.regular_file import regular
from rldg_core.task import UnknownTask, load_task
from rldg_core.user_error import UserError
from rldg_distill.conversion.effects import check_options_have_effect
from rldg_distill.conversion.options import Options
from rldg_distill.conversion.shard import ConversionRecipe, Shard, image_shapes
from rldg_distill.datasets import rlds
from rldg_distill.datasets.episode import BadBag
from rldg_distill.recordings.bag_storage import damage_as_bad_bag, remarks
from rldg_distill.recordings.camera_names import NO_CAMERA, POLICY_CAMERA, camera_names
from rldg_distill.recordings.cameras import camera_topics, more_cameras, unlike
from rldg_distill.recordings.finding import find_bags
from rldg_distill.recordings.foreign.foreign_bag import ForeignBag, find_foreign, is_foreign
from rldg_distill.recordings.foreign.view import PictureConversion, settle_view
from rldg_distill.recordings.identity import Identities, identify
from rldg_distill.recordings.own.own_episode import check_closed
from rldg_distill.recordings.selection import BagDescription, Candidate, choose, split

NO_IMAGE = f"no bag has an image: --camera {NO_CAMERA} makes a dataset without images"


class ConversionError(UserError):
    """There will be no dataset; the message says why and what to do."""


@dataclass
class Pile:
    """What became of the bags that were given."""

    candidates: list[Candidate] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """number of bags by the filter that left them out"""
    rejected: dict[str, str] = field(default_factory=dict)
    """reason by path"""
    recordings: dict[Path, ForeignBag] = field(default_factory=dict)
    """what bags made elsewhere are taken for"""
    remarks: dict[str, str] = field(default_factory=dict)
    """what a person should know of a bag that is read all the same, by path"""
    identities: Identities = field(default_factory=lambda: Identities({}, {}))
    described: list[BagDescription] = field(default_factory=list)
    """what every bag that can be read says of itself, wanted or not"""

    def error(self, reason: str) -> ConversionError:
        """Nothing can be made of it."""
        lines = [reason]
        lines += [f"left out: {n} with {why}" for why, n in sorted(self.left_out.items())]
        lines += [f"{path}: {why}" for path, why in self.rejected.items()]
        lines += [
            f"left out: {path} is the same recording as {twin}"
            for path, twin in self.identities.twins.items()
        ]
        return ConversionError("\n".join(lines))


@dataclass(frozen=True)
class ConversionPlan:
    """Everything that is settled before the first file is written."""

    shards: tuple[Shard, ...]
    """of every split in turn"""
    recipe: ConversionRecipe
    left_out_topics: dict[str, str]
    """why by image topic"""
    control_rate: float
    """[Hz]"""
    image_contract: str
    """of all bags, or of most that were made elsewhere; empty: the pictures are as their robot showed them"""
    pile: Pile

    def fingerprint(self) -> str:
        """sha256 of all that decides about the content of the shards."""
        content = {
            "versions": [CONTRACT_VERSION, rlds.VERSION],
            "recipe": asdict(self.recipe),
            "shards": {shard.name: [_identity(bag) for bag in shard.bags] for shard in self.shards},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def make_conversion_plan(
    paths: Iterable[Path], options: Options, without: Mapping[str, str] | None = None
) -> ConversionPlan:
    """Look through the bags.

    Args:
        paths: bags, folders of bags, or runs.
        options: of the conversion.
        without: why by path, of bags that an earlier plan had and that turned out to be none.

    Raises:
        ConversionError: nothing to convert, or bags that do not fit together.
        UsageError: an option changes nothing, or leaves too few bags.
    """
    pile = sort_out(paths, options, without or {})
    try:
        splits = split(choose(pile.candidates, options.filters.count), options.val)
    except ValueError as error:
        failed = pile.error(str(error))
        # Where no bag is bad, it is what was asked of them that cannot be.
        raise failed if pile.rejected else UsageError(str(failed)) from error
    if not without:
        check_options_have_effect(options, pile.described, pile.recordings.values())
    shards = tuple(
        chain.from_iterable(
            share_out(options.out.name, name, [c.path for c in chosen], options.shard_episodes)
            for name, chosen in splits.items()
        )
    )
    rate = _control_rate(pile.candidates)
    bags = [candidate.path for candidate in pile.candidates]
    elsewhere = {bag: pile.recordings[bag] for bag in bags if bag in pile.recordings}
    try:
        view, contract, seen = settle_view(bags, elsewhere)
    except UserError as error:
        raise pile.error(str(error)) from error
    pile.recordings |= seen
    cameras, left_out = _cameras(pile, options.cameras)
    cameras, shapes, unread = _readable(pile, shards, options, cameras, view)
    names = {str(path): pile.identities.name(path) for path in pile.identities.contents}
    recipe = ConversionRecipe(options.image_format, cameras, options.stated, view, shapes, names)
    return ConversionPlan(shards, recipe, left_out | unread, rate, contract, pile)


def sort_out(paths: Iterable[Path], options: Options, without: Mapping[str, str]) -> Pile:
    """Which bags are wanted, judged by their metadata alone, and none twice.

    Raises:
        UsageError: a path without bags.
    """
    found = find_bags(paths)
    pile = Pile(rejected={str(path): why for path, why in found.others.items()} | dict(without))
    wanted: dict[Path, str] = {}
    for bag in map(Path.absolute, found.bags):
        if str(bag) in without:
            continue
        try:
            with damage_as_bad_bag():
                summary = _described(bag, options, pile)
        except BadBag as error:
            pile.rejected[str(bag)] = str(error)
            continue
        pile.described.append(summary)
        if reason := options.filters.reason_against(summary):
            pile.left_out[reason] += 1
        else:
            wanted[bag] = summary.task
    pile.identities = identify(wanted)
    contents = pile.identities.contents
    pile.candidates = [
        Candidate(bag, task, contents.get(bag, ""))
        for bag, task in wanted.items()
        if bag not in pile.identities.twins
    ]
    return pile


def _described(bag: Path, options: Options, pile: Pile) -> BagDescription:
    """What a bag is taken for.

    Raises:
        BadBag: it is none, or does not say what filters ask.
    """
    summary: BagDescription
    try:
        if is_foreign(bag):
            summary = pile.recordings[bag] = find_foreign(bag, options.stated)
            if said := remarks(bag):
                pile.remarks[str(bag)] = "; ".join(said)
        else:
            check_closed(bag)
            summary = read_summary(bag)
        load_task(summary.task)
    except UnknownTask as error:
        raise BadBag(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, BadBag):
            raise
        raise BadBag(f"has no readable summary of its episode: {error!r}") from error
    return summary


def share_out(dataset: str, split_name: str, bags: list[Path], most: int) -> list[Shard]:
    """Bags in their order into as few shards as possible, of as equal a size as possible."""
    count = -(-len(bags) // most)
    bounds = [len(bags) * i // count for i in range(count + 1)]
    return [
        Shard(
            rlds.shard_name(dataset, split_name, i, count),
            split_name,
            tuple(bags[bounds[i] : bounds[i + 1]]),
        )
        for i in range(count)
    ]


def _control_rate(candidates: list[Candidate]) -> float:
    rates = {load_task(task).control_rate for task in {c.task for c in candidates}}
    if len(rates) > 1:
        raise ConversionError(
            f"tasks of different control rates {sorted(rates)} do not fit into one dataset"
        )
    return rates.pop()


def _cameras(pile: Pile, kept: tuple[str, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Features by topic, as the first bag with images has them, or one made elsewhere, and most others; bags that have
    not are rejected. And why other topics of images are left out.
    """
    if kept == (NO_CAMERA,):
        return {}, {}
    unread = {}
    for candidate in pile.candidates:
        try:
            topics, left_out = camera_topics(candidate.path, pile.recordings.get(candidate.path))
        except BadBag as error:
            unread[str(candidate.path)] = str(error)
            continue
        if not topics:
            continue
        more, why = more_cameras(pile.recordings, {*topics, *left_out})
        topics, left_out = topics | more, why | left_out
        names = camera_names(topics)
        wanted = {POLICY_CAMERA, *kept} if kept else set(names.values())
        if not wanted <= set(names.values()):
            raise UsageError(
                f"--camera: there is no {' or '.join(sorted(wanted - set(names.values())))}; there are: "
                f"{', '.join(sorted(names.values()))}"
            )
        others = [] if kept else sorted(set(names) - {WRIST_IMAGE.name})
        odd = unlike(others, [c.path for c in pile.candidates])
        taken = {t: name for t, name in names.items() if name in wanted and t not in odd}
        return taken, left_out | odd
    pile.rejected |= unread
    raise pile.error("no bag can be read" if unread else NO_IMAGE)


def _readable(
    pile: Pile,
    shards: Sequence[Shard],
    options: Options,
    cameras: dict[str, str],
    view: PictureConversion,
) -> tuple[dict[str, str], dict[str, tuple[int, ...]], dict[str, str]]:
    """Cameras with which a bag can be read, their shapes, and why the others are left out: with them no bag can."""
    shapes, rejected = _shapes(shards, options, cameras, view)
    policys = {topic: name for topic, name in cameras.items() if name == POLICY_CAMERA}
    unread: dict[str, str] = {}
    if shapes is None and not options.cameras and policys != cameras:
        shapes, _ = _shapes(shards, options, policys, view)
        why = f"no bag can be read with it: {next(iter(rejected.values()))}"
        cameras, unread = policys, dict.fromkeys(cameras.keys() - policys, why)
    if shapes is None:
        pile.rejected |= rejected
        raise pile.error("no bag could be converted")
    return cameras, shapes, unread


def _shapes(
    shards: Sequence[Shard], options: Options, cameras: dict[str, str], view: PictureConversion
) -> tuple[dict[str, tuple[int, ...]] | None, dict[str, str]]:
    """Of the first two bags that agree, so that a single odd one does not shut out all others. Found here, for shards
    that are written side by side must agree. None where no bag can be read; and why those before could not.
    """
    recipe = ConversionRecipe(options.image_format, cameras, options.stated, view)
    seen: list[dict[str, tuple[int, ...]]] = []
    rejected = {}
    for bag in chain.from_iterable(shard.bags for shard in shards):
        try:
            episode = recipe.read(bag)
        except BadBag as error:
            rejected[str(bag)] = str(error)
            continue
        shapes = image_shapes(episode)
        if shapes in seen:
            return shapes, rejected
        seen.append(shapes)
    return (seen[0] if seen else None), rejected


def _identity(bag: Path) -> list[object]:
    """What shows that a bag is still the same, without reading it."""
    files = [file for file in (bag.iterdir() if bag.is_dir() else [bag]) if regular(file)]
    return [str(bag), sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files)]
