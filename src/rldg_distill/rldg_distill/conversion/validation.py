# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a dataset: each fault with the episode and the step where it lies.

A camera is compared with what cannot lie about it: with the motion of the arm (a stream that lags sees every motion
late) and with the other episodes of the same task (a camera that was knocked sees the gripper elsewhere: phase
correlation, Kuglin and Hines 1975).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rldg_core.arm_spaces import ARM
from rldg_core.files.checked_file import typed
from rldg_core.image_contract import ImageContract
from rldg_core.vocabulary import Source
from rldg_distill.conversion.shard import ConversionRecipe
from rldg_distill.datasets import image_codec, statistics
from rldg_distill.datasets.contract_file import CONTRACT
from rldg_distill.datasets.episode import BadBag, Episode
from rldg_distill.datasets.image_codec import ImageFormat
from rldg_distill.datasets.plausibility import implausible
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.datasets.tfrecord import DamagedRecord
from rldg_distill.recordings.camera_names import POLICY_CAMERA
from rldg_distill.recordings.finding import find_bags
from rldg_distill.recordings.foreign.foreign_bag import StatedFacts
from rldg_distill.recordings.foreign.view import PictureConversion
from rldg_distill.recordings.identity import bag_name, base_name

GAP = 1.5  # periods between two stamps from which a frame is missing
APART = 0.5  # periods between image and state
RESAMPLED_GAP, RESAMPLED_APART = (
    2.0,
    1.0,
)  # of what is less than a period old; older ones come twice
STEADY = 0.1  # of a period by which most intervals of what is measured often may be off
MOVED = (0.0005, 0.005)  # [m], [rad] of TCP motion under which a picture may stay the same
MOST_SIDE = 256  # [pixel] of images in which motion is looked for
LAGS = range(-3, 4)
LAG_STEPS = 20  # an episode shorter than this tells no lag
LAG_MARGIN = 0.2  # by which a lag correlates better than none, in one episode: no false alarm in 196 of the twin's
GROUP_MARGIN = 0.1  # the same for the mean over a task's episodes
KNOCKED = 0.04  # of the image's width
KNOCKED_MARGIN = (
    1.5  # by which a shift fits better than none: finds 99 % of planted ones, no false alarm in 536
)
IN_PLACE = (-2, -1, 0, 1, 2)  # [pixel] shifts that count as none
GROUP = 3  # episodes of a task from which on a median of them means something
SATURATED = 0.999


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    where: str
    """split and bag of the episode, or a file"""
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass
class _Seen:
    """What later episodes are compared with."""

    contents: dict[str, str] = field(default_factory=dict)
    looks: dict[tuple[str, str], list[tuple[str, np.ndarray]]] = field(default_factory=dict)
    lags: dict[tuple[str, str], list[np.ndarray]] = field(default_factory=dict)


def validate(dataset: Dataset) -> Iterator[Fault]:
    """Every fault of a dataset; none where it is sound."""
    seen = _Seen()
    period = 1e9 / dataset.contract.control_rate_hz
    for split, expected in dataset.lengths.items():
        count = 0
        try:
            for episode in dataset.episodes(split):
                count += 1
                where = f"{split} {episode.metadata.bag}"
                yield from (Fault(where, what) for what in faults(episode, period))
                yield from (Fault(where, what) for what in _compare(episode, where, seen))
        except (DamagedRecord, FileNotFoundError, ValueError) as error:
            yield Fault(split, f"cannot be read after {count} episodes: {error}")
            continue
        if count != expected:
            yield Fault(split, f"holds {count} episodes, dataset_info.json says {expected}")
        if not count:
            yield Fault(split, "is empty")
    yield from _shifted_views(seen)
    yield from _lagging_groups(seen)
    if not statistics.is_fresh(dataset):
        yield Fault(
            statistics.STATISTICS, "is missing or of other data; reading it with our code renews it"
        )


def compare_with_bags(dataset: Dataset, paths: Iterable[Path]) -> Iterator[Fault]:
    """Every difference between the episodes and the bags that they come from, images byte by byte.

    Args:
        dataset: of whose episodes those are compared whose bags are given.
        paths: bags, folders of bags, or runs.

    Raises:
        UsageError: a path holds no bags.
    """
    bags: dict[str, list[Path]] = {}
    for path in find_bags(paths).bags:
        bags.setdefault(bag_name(path), []).append(path)
    image_format = ImageFormat.parse(dataset.contract.image_format)
    cameras = {topic: name for name, topic in dataset.contract.cameras.items()}
    stated = typed(dataset.contract.recorded.told, StatedFacts, str(dataset.folder / CONTRACT))
    recipe = ConversionRecipe(image_format, cameras, stated, view_of(dataset))
    for split in dataset.shards:
        for episode in dataset.episodes(split):
            where = f"{split} {episode.metadata.bag}"
            named = bags.get(base_name(episode.metadata.bag), [])
            yield from (Fault(where, what) for what in _against(episode, named, recipe))


def _against(episode: Episode, bags: list[Path], recipe: ConversionRecipe) -> Iterator[str]:
    """Differences from its bag. Other recordings may have its name: then it is the one with the fewest."""
    found = [["its bag is not among those given"]] if not bags else []
    for bag in bags:
        try:
            truth = recipe.read(bag)
        except BadBag as error:
            found.append([f"its bag {error}"])
            continue
        if np.isin(episode.state_stamp, truth.state_stamp).any():
            found.append(list(_differences(episode, truth)))
        else:
            found.append(
                ["its bag is not among those given: that of its name is another recording"]
            )
    yield from min(found, key=len)


def view_of(dataset: Dataset) -> PictureConversion | None:
    """How the pictures of bags made elsewhere became those of a dataset; None where they were kept as they are."""
    height, width = dataset.image_sizes.get(POLICY_CAMERA, (0, 1))
    if height != width:
        return None
    return PictureConversion(
        height, ImageContract.stored(str(dataset.contract.image_contract or ""))
    )


def _differences(episode: Episode, truth: Episode) -> Iterator[str]:
    if len(episode) != len(truth):
        yield f"has {len(episode)} steps, its bag {len(truth)}"
        return
    for camera, images in episode.images.items():
        wrong = [
            i
            for i, pair in enumerate(zip(images, truth.images[camera], strict=True))
            if pair[0] != pair[1]
        ]
        if wrong:
            yield f"step {wrong[0]}: {camera} is not the image of its stamp in the bag ({len(wrong)} steps)"
    for name in ("action", "state", "reward", "teacher_mean", "image_stamp", "state_stamp"):
        if not np.array_equal(getattr(episode, name), getattr(truth, name)):
            yield f"{name} is not that of its bag"


def faults(episode: Episode, period: float) -> Iterator[str]:
    """What is wrong with one episode by itself.

    Args:
        episode: as it was read.
        period: [ns] of one control step.
    """
    if not len(episode):
        yield "has no steps"
        return
    yield from implausible(episode, period)
    empty = [index for index, text in enumerate(episode.instruction) if not text.strip()]
    if empty:
        yield f"step {empty[0]}: the instruction is empty"
    ends = np.arange(len(episode)) == len(episode) - 1
    if not episode.is_first[0] or episode.is_first[1:].any() or (episode.is_last != ends).any():
        yield "is_first and is_last do not mark its ends"
    if episode.is_terminal[:-1].any():
        yield f"step {episode.is_terminal.argmax()} is terminal but not the last"
    gap, apart = tolerances(episode)
    for name, stamps, limit in (
        ("image", episode.image_stamp, gap),
        ("state", episode.state_stamp, GAP if is_steady(episode.state_stamp, period) else gap),
    ):
        intervals = np.diff(stamps)
        for index in np.flatnonzero(intervals > limit * period):
            missing = round(intervals[index] / period) - 1
            yield f"step {index + 1}: {missing} frame(s) dropped, {intervals[index] / 1e9:.2f} s after the last {name}"
        for index in np.flatnonzero(intervals <= 0):
            yield f"step {index + 1}: the {name} is not newer than the one before"
    between = np.abs(episode.image_stamp - episode.state_stamp)
    if (between > apart * period).any():
        step = int((between > apart * period).argmax())
        yield f"step {step}: image and state are {between[step] / 1e9:.2f} s apart"
    for camera, images in episode.images.items():
        yield from _image_faults(camera, images, episode)


def tolerances(episode: Episode) -> tuple[float, float]:
    """Periods from which on two images or two states, and image and state, are too far apart."""
    recorded = episode.metadata.source == Source.RECORDED
    return (RESAMPLED_GAP, RESAMPLED_APART) if recorded else (GAP, APART)


def is_steady(stamps: np.ndarray, period: float) -> bool:
    """Whether measurements come so often that each step has one of its own moment: then every gap is a lost step."""
    return not len(stamps[1:]) or bool(
        np.median(np.abs(np.diff(stamps) - period)) < STEADY * period
    )


def _image_faults(camera: str, images: Sequence[bytes], episode: Episode) -> Iterator[str]:
    shapes = set()
    for index, data in enumerate(images):
        try:
            shapes.add(image_codec.decode(data).shape)
        except ValueError as error:
            yield f"step {index}: {camera} is {error}"
    if len(shapes) > 1:
        yield f"{camera} changes its size: {sorted(shapes)}"
    moved = travel(episode)
    frozen = [
        index + 1
        for index in range(len(images) - 1)
        if images[index] == images[index + 1] and (moved[index] > MOVED).any()
    ]
    if frozen:
        yield f"step {frozen[0]}: {camera} is frozen while the arm moves ({len(frozen)} steps)"


def travel(episode: Episode) -> np.ndarray:
    """(T-1, 2): distance [m] and angle [rad], about, that the TCP went from step to step; 0 of another body."""
    if episode.spaces.state != ARM.state:
        return np.zeros((max(len(episode) - 1, 0), 2))
    change = np.diff(episode.state[:, :6].astype(np.float64), axis=0)
    return np.stack(
        [np.linalg.norm(change[:, :3], axis=1), np.linalg.norm(change[:, 3:], axis=1)], 1
    )


def saturated(episode: Episode) -> np.ndarray:
    """(T, M) whether a motion is as large as the teacher's could be."""
    motion = episode.action[:, : episode.spaces.action.motions]
    return np.abs(motion) >= SATURATED * episode.metadata.action_scale


def _compare(episode: Episode, where: str, seen: _Seen) -> Iterator[str]:
    content = hashlib.sha256(episode.action.tobytes() + episode.state.tobytes()).hexdigest()
    twin = seen.contents.get(content)
    if twin:
        yield f"duplicate of {twin}"
    seen.contents[content] = where
    for camera, images in episode.images.items():
        try:
            frames = np.stack([_grey(data) for data in images])
        except ValueError:
            continue  # reported already
        key = (episode.metadata.task_id, camera)
        if min(frames.shape[1:]) > 2 * max(IN_PLACE):  # of a narrower one no shift can be measured
            look = _edges(np.median(frames, axis=0))
            seen.looks.setdefault(key, []).append((where, look))
        scores = lag_scores(frames, episode)
        if scores is not None:
            seen.lags.setdefault(key, []).append(scores)
            best = int(scores.argmax())
            if scores[best] > scores[-LAGS.start] + LAG_MARGIN:
                yield f"{camera} is shifted by {LAGS[best]} step(s) against the motion of the arm"


def _grey(data: bytes) -> np.ndarray:
    """(H, W) of an image; of a large one smaller, for all of an episode are held at a time."""
    image = image_codec.decode(data)
    height, width, _ = image.shape
    if (block := -(-max(height, width) // MOST_SIDE)) == 1:
        return image.mean(2)
    rows, columns = max(height // block, 1), max(width // block, 1)
    whole = image[: rows * block, : columns * block]
    blocks = whole.reshape(rows, -1, columns, whole.shape[1] // columns, 3)
    return blocks.mean((1, 3, 4))


def lag_scores(frames: np.ndarray, episode: Episode) -> np.ndarray | None:
    """Correlation of what moves in the picture with what the arm moved, for each of `LAGS` steps.

    Args:
        frames: (T, H, W) grey.
        episode: of the same T steps.

    Returns:
        One number per lag; None if the episode is too short or nothing moves.
    """
    if len(frames) < LAG_STEPS + 1:
        return None
    seen = np.abs(np.diff(frames, axis=0)).mean((1, 2))
    moved = travel(episode) @ np.array([1.0, 0.1])
    edge = max(LAGS)
    middle = moved[edge:-edge]
    scores = []
    for lag in LAGS:
        part = seen[edge + lag : len(seen) - edge + lag]
        if part.std() == 0.0 or not middle.std() > 0.0:
            return None
        scores.append(np.corrcoef(part, middle)[0, 1])
    return np.array(scores)


def _edges(image: np.ndarray) -> np.ndarray:
    rows, columns = np.gradient(image)
    return np.hypot(rows, columns)


def view_shift(image: np.ndarray, reference: np.ndarray) -> tuple[int, int]:
    """Rows and columns by which an image lies beside another of the same shape; (0, 0) unless that fits clearly better.

    A regular background, like a peg board, fits almost as well one peg further.
    """
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    spectra = [np.fft.fft2((i - i.mean()) * window) for i in (image, reference)]
    cross = spectra[0] * np.conj(spectra[1])
    fit = np.fft.ifft2(cross / (np.abs(cross) + 1e-9 * np.abs(cross).max() + 1e-30)).real
    in_place = fit[np.ix_(IN_PLACE, IN_PLACE)].max()
    rows, columns = np.unravel_index(fit.argmax(), fit.shape)
    if fit.max() < KNOCKED_MARGIN * in_place:
        return 0, 0
    height, width = image.shape
    return (
        int(rows + height // 2) % height - height // 2,
        int(columns + width // 2) % width - width // 2,
    )


def _shifted_views(seen: _Seen) -> Iterator[Fault]:
    for (_, camera), looks in seen.looks.items():
        shapes = {look.shape for _, look in looks}
        if len(looks) < GROUP or len(shapes) > 1:
            continue
        reference = np.median([look for _, look in looks], axis=0)
        for where, look in looks:
            shift = view_shift(look, reference)
            if np.hypot(*shift) > KNOCKED * look.shape[1]:
                yield Fault(
                    where,
                    f"{camera} is shifted by {shift} pixels against the other episodes of its task",
                )


def _lagging_groups(seen: _Seen) -> Iterator[Fault]:
    for (task, camera), rows in seen.lags.items():
        mean = np.mean(rows, axis=0)
        best = int(mean.argmax())
        if len(rows) >= GROUP and mean[best] > mean[-LAGS.start] + GROUP_MARGIN:
            yield Fault(
                task, f"{camera} is shifted by {LAGS[best]} step(s) against the motion of the arm"
            )
