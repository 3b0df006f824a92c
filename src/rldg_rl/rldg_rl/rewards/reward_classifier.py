# SPDX-License-Identifier: Apache-2.0
"""A network that decides from the wrist image whether the task is done, and its training from what a person declared.

A person holds both buttons of the SpaceMouse while the task is done (`./rldg launch label`): images of those moments
are the positives, the others of the same episodes the negatives. Just before the buttons went down is neither: it was
done already, and the person not yet sure. The moments before that matter most: almost done looks much like done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from rldg_core import contract
from rldg_core.bags.bag_reader import messages_of
from rldg_core.contract import CONTRACT_VERSION
from rldg_core.files.atomic_file import write_atomically
from rldg_core.files.checked_file import parse_json, typed
from rldg_core.files.versioned import version_of
from rldg_core.message_values import SECOND, nanoseconds
from rldg_core.task import Task
from rldg_core.user_error import UserError
from rldg_distill.weights import check_fit, read_weights
from rldg_rl.episodes.bag import recorded_steps
from rldg_rl.rewards.judge import Verdict
from rldg_rl.robot.observation import Observation
from rldg_rl.vision.image_encoder import FEATURES, image_layers
from rldg_rl.vision.pixels import as_pixels, varied

ABOUT = "classifier"
"""in the header of a file"""
UNSURE_SECONDS = 0.4
"""before the buttons go down: a person takes so long to see and press"""
UPDATES = 300
BATCH = 64
LEARNING_RATE = 2e-3
VALIDATION = 5
"""one of so many episodes is not learned from"""
IN_A_ROW = 2
"""images that must look done until it counts: one may deceive"""
FEWEST = 5
"""episodes that there must be"""
LEAST_THRESHOLD = 0.9
"""whatever the negatives say: what is missed costs a step, what is wrongly done is learned from"""


@dataclass(frozen=True)
class Label:
    """An image and what a person said of it."""

    image: np.ndarray
    """(H, W, 3) uint8"""
    done: bool
    episode: str
    seconds: float
    """[s] until the buttons go down; negative once they are"""


@dataclass(frozen=True)
class Quality:
    """How a classifier does on episodes that it has not learned from."""

    positives: int
    negatives: int
    missed: int
    """positives below the threshold"""
    false: int
    """negatives at or above it"""
    threshold: float
    """probability from which on an image counts as done"""
    temperature: float
    """that logits are divided by, so that probabilities are frequencies"""
    log_loss: float
    """[nat] mean over all images, after that"""


@dataclass(frozen=True)
class About:
    """What the header of a classifier's file tells."""

    contract_version: str
    task: str
    quality: Quality


class RewardClassifier(nn.Module):
    """Logit of "it is done" for wrist images."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(*image_layers(FEATURES), nn.ReLU(), nn.Linear(FEATURES, 1))
        self.temperature: Tensor
        self.threshold: Tensor
        self.register_buffer("temperature", torch.ones(()))
        self.register_buffer("threshold", torch.tensor(LEAST_THRESHOLD))

    def forward(self, pixels: Tensor) -> Tensor:
        """(rows,) logits of (rows, 3, IMAGE_SIZE, IMAGE_SIZE) pixels, see `pixels.as_pixels`."""
        logits: Tensor = self.network(pixels)[:, 0]
        return logits

    @torch.no_grad()
    def probability(self, images: np.ndarray) -> np.ndarray:
        """(rows,) of (rows, IMAGE_SIZE, IMAGE_SIZE, 3) uint8 images that the task is done."""
        logits = [
            self(as_pixels(images[start : start + BATCH])) for start in range(0, len(images), BATCH)
        ]
        return torch.sigmoid(torch.cat(logits) / self.temperature).numpy()


class ClassifierJudge:
    """Implements `reward.Judge`: done where two images in a row look like it."""

    def __init__(self, path: Path, task: Task) -> None:
        """Load a classifier. Raises UserError: there is none, or it is another task's."""
        self._classifier = load_classifier(path, task)
        torch.set_num_threads(1)
        self._in_a_row = 0

    def begin(self, seen: Observation) -> None:
        """See `reward.Judge`."""
        self._in_a_row = 0

    def verdict(self, seen: Observation, last: bool) -> Verdict:
        """See `reward.Judge`."""
        (probability,) = self._classifier.probability(seen.image[None])
        looks_done = probability >= float(self._classifier.threshold)
        self._in_a_row = self._in_a_row + 1 if looks_done else 0
        return Verdict.done_if(self._in_a_row >= IN_A_ROW)


def labels_of(bag: Path, task: Task) -> list[Label]:
    """Every image of an episode that a person was sure of."""
    held = {
        nanoseconds(joy.header.stamp): len(joy.buttons) > 1 and bool(all(joy.buttons[:2]))
        for joy in messages_of(bag, contract.SPACENAV_JOY)
    }
    steps = list(recorded_steps(bag, task, looks=True))
    # Not in all that was recorded: a bag begins with the last word of before.
    said = [step.seen.state_stamp for step in steps if held.get(step.seen.state_stamp)]
    down = min(said, default=2**63 - 1)
    labels = []
    for step in steps:
        stamp = step.seen.state_stamp
        done, seconds = held.get(stamp, False), (down - stamp) / SECOND
        if done or seconds > UNSURE_SECONDS:
            labels.append(Label(step.seen.image, done, bag.name, seconds))
    return labels


def thinned(labels: Sequence[Label], count: int, seed: int) -> list[Label]:
    """At most `count` of them, half of either kind where there are enough; the same for the same seed.

    Half of the negatives are the last ones before it was done, the others any.
    """
    rng = np.random.default_rng(seed)
    done = [label for label in labels if label.done]
    others = sorted((label for label in labels if not label.done), key=lambda each: each.seconds)
    positives = min(count // 2, len(done))
    negatives = min(count - positives, len(others))
    last, early = others[: negatives // 2], others[negatives // 2 :]
    return [
        *sample_labels(done, positives, rng),
        *last,
        *sample_labels(early, negatives - len(last), rng),
    ]


def sample_labels(
    labels: Sequence[Label], count: int, seed: int | np.random.Generator
) -> list[Label]:
    """At most `count` of them, drawn, in their order."""
    drawn = np.random.default_rng(seed).permutation(len(labels))[:count]
    return [labels[index] for index in sorted(drawn)]


def train_classifier(
    labels: Sequence[Label],
    false_positives: float,
    seed: int,
    on_update: Callable[[int], None] = lambda update: None,
) -> tuple[RewardClassifier, Quality, np.ndarray]:
    """Train on most episodes, calibrate on the others.

    Args:
        labels: of several episodes.
        false_positives: share of the negatives that may look done: the threshold is chosen for it.
        seed: of weights, order and variants.
        on_update: called after every update.

    Returns:
        The classifier, how it does on the episodes held out, and its probability of every label.

    Raises:
        UserError: there are too few episodes, or labels of one kind only to learn from.
    """
    episodes = sorted({label.episode for label in labels})
    held_out = np.isin([label.episode for label in labels], episodes[::VALIDATION])
    done = np.array([label.done for label in labels], bool)
    if len(episodes) < FEWEST or len(set(done[~held_out])) < 2:
        raise UserError(
            f"{len(labels)} labels of {len(episodes)} episodes do not teach what done looks like: it takes "
            f"{FEWEST} episodes, and both kinds in those that are not held out; ./rldg launch label gathers them"
        )
    images = np.stack([label.image for label in labels])
    torch.manual_seed(seed)
    classifier = RewardClassifier()
    _fit(classifier, images[~held_out], done[~held_out], seed, on_update)
    with torch.no_grad():
        logits = classifier(as_pixels(images[held_out]))
    classifier.temperature.fill_(_temperature(logits, done[held_out]))
    probability = classifier.probability(images)
    unsure, of = probability[held_out], done[held_out]
    threshold = _threshold(unsure[~of], false_positives)
    classifier.threshold.fill_(threshold)
    chance = np.clip(np.where(of, unsure, 1.0 - unsure), 1e-7, 1.0)
    quality = Quality(
        positives=int(of.sum()),
        negatives=int((~of).sum()),
        missed=int((unsure[of] < threshold).sum()),
        false=int((unsure[~of] >= threshold).sum()),
        threshold=threshold,
        temperature=float(classifier.temperature),
        log_loss=float(-np.log(chance).mean()),
    )
    return classifier, quality, probability


def _fit(
    classifier: RewardClassifier,
    images: np.ndarray,
    done: np.ndarray,
    seed: int,
    on_update: Callable[[int], None],
) -> None:
    """As many positives as negatives in every batch."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(classifier.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, total_steps=UPDATES + 1
    )
    kinds = np.flatnonzero(done), np.flatnonzero(~done)
    truth = torch.cat((torch.ones(BATCH // 2), torch.zeros(BATCH // 2)))
    for update in range(UPDATES):
        rows = np.concatenate([rng.choice(kind, BATCH // 2) for kind in kinds])
        logits = classifier(varied(as_pixels(images[rows]), generator))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        on_update(update + 1)
    classifier.requires_grad_(False)


def _temperature(logits: Tensor, done: np.ndarray) -> float:
    """Guo et al. 2017, "On Calibration of Modern Neural Networks": the one of the least loss, by trying."""
    truth = torch.from_numpy(done).float()
    candidates = np.geomspace(0.5, 10.0, 60)
    losses = [
        float(nn.functional.binary_cross_entropy_with_logits(logits / t, truth)) for t in candidates
    ]
    return float(candidates[int(np.argmin(losses))])


def _threshold(negatives: np.ndarray, false_positives: float) -> float:
    """The least that no more than this share of the negatives reaches, and no less than LEAST_THRESHOLD."""
    allowed = int(false_positives * len(negatives))
    ordered = np.sort(negatives)[::-1]
    highest = float(ordered[allowed]) if allowed < len(ordered) else 0.0
    return max(LEAST_THRESHOLD, float(np.nextafter(np.float32(highest), np.float32(1.0))))


def save_classifier(path: Path, classifier: RewardClassifier, task: Task, quality: Quality) -> None:
    """Write a classifier: weights, and in the metadata what it is of and how good."""
    about = About(CONTRACT_VERSION, task.id, quality)
    data = safetensors.torch.save(classifier.state_dict(), {ABOUT: json.dumps(asdict(about))})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, data)


def load_classifier(path: Path, task: Task) -> RewardClassifier:
    """Read a classifier.

    Raises:
        UserError: there is none, it is damaged, holds NaN or infinite numbers, or is of another task.
    """
    try:
        tensors, said = read_weights(path)
        fields = parse_json(said.get(ABOUT, ""), dict[str, Any], "its header")
        version = version_of(fields, "its header")
        about = typed(fields, About, "its header") if version == CONTRACT_VERSION else None
        classifier = RewardClassifier()
        check_fit(tensors, classifier.state_dict(), path)
    except UserError as error:
        raise UserError(
            f"{path} holds no reward classifier ({error}): ./rldg classifier train makes one"
        ) from error
    if about is None:
        raise UserError(f"{path} is of contract version {version}: train it anew")
    if about.task != task.id:
        raise UserError(f"{path} knows when {about.task} is done, not {task.id}")
    classifier.load_state_dict(tensors)
    threshold, temperature = float(classifier.threshold), float(classifier.temperature)
    if not (0 < threshold <= 1 and temperature > 0):
        raise UserError(
            f"{path} fires at a probability of {threshold:g}, temperature {temperature:g}: train it anew"
        )
    return classifier.requires_grad_(False)
