# SPDX-License-Identifier: Apache-2.0
"""Nothing is dropped, nothing comes twice, and a place in the order is exact."""

from __future__ import annotations

import json
import resource
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from synthetic_data import SIZE, WORDS, episode, small, write_dataset

from rldg_distill.datasets.image_codec import decode
from rldg_distill.datasets.mixture import Mixture
from rldg_distill.datasets.rlds import Dataset, NotADataset
from rldg_distill.datasets.step_index import StepIndex
from rldg_distill.datasets.tfrecord import bytes_spans, placed_records
from rldg_distill.students.batch import StudentBatch
from rldg_distill.training.loader import Assembler, Loader, StepImages


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("data") / "first")


@pytest.fixture(scope="module")
def index(data: Path) -> StepIndex:
    return StepIndex([Dataset(data)], "train")


def make(index: StepIndex, size: int = 4, workers: int = 2, **places: int) -> Loader:
    mixture = Mixture(index.sizes, None, seed=3)
    return Loader(Assembler(index, ["image"], 2, 3), mixture, size, workers, **places)


def names(batch: StudentBatch) -> list[tuple[int, int]]:
    """Episode and step of every sample, as the state tells them."""
    return [(int(s[0]), int(s[1])) for s in batch.state[:, -1]]


ALL = [(number, step) for number in range(8) for step in range(number + 1)]


def test_every_step_of_every_episode_comes_once_per_epoch(index: StepIndex) -> None:
    assert len(index) == 36
    with make(index) as loader:
        for _ in range(3):
            epoch = [name for _ in range(9) for name in names(next(loader))]
            assert sorted(epoch) == ALL
            assert epoch != ALL


def test_ranks_share_an_epoch_without_overlap(index: StepIndex) -> None:
    seen: list[tuple[int, int]] = []
    for rank in range(3):
        with make(index, rank=rank, ranks=3) as loader:
            seen += [name for _ in range(3) for name in names(next(loader))]
    assert sorted(seen) == ALL


def test_images_belong_to_their_steps(index: StepIndex, data: Path) -> None:
    truth = {e.metadata.seed: e for e in Dataset(data).episodes("train")}
    with make(index) as loader:
        for _ in range(9):
            batch = next(loader)
            for place, (number, step) in enumerate(names(batch)):
                image = decode(truth[number].images["image"][step])
                np.testing.assert_array_equal(batch.images["image"][place, -1], image)
                assert batch.instruction[place] == WORDS["vga"]


def test_windows_and_chunks_reach_over_the_ends_of_an_episode_masked(index: StepIndex) -> None:
    steps = np.flatnonzero(index.episode == 3)  # an episode of 4 steps
    batch = Assembler(index, ["image"], window=3, chunk=3).batch(steps)
    action = torch.from_numpy(index.action[steps])
    for now in range(4):
        for place, step in enumerate(range(now - 2, now + 1)):
            assert bool(batch.step_mask[now, place]) == (step >= 0)
            assert batch.state[now, place, 1] == max(step, 0)
            assert batch.images["image"][now, place, 0, 0, 0] == max(step, 0)
            for ahead in range(3):
                inside = step >= 0 and step + ahead < 4
                assert bool(batch.action_mask[now, place, ahead]) == inside
                assert bool(batch.teacher_mask[now, place, ahead]) == inside
                wanted = action[min(max(step + ahead, 0), 3)]
                torch.testing.assert_close(batch.action[now, place, ahead], wanted)
    torch.testing.assert_close(batch.action_scale[0], torch.tensor([0.015] * 3 + [0.1] * 3))


def test_a_step_without_a_policy_has_no_teacher(tmp_path: Path) -> None:
    train = [episode(0, 2), episode(1, 2, taught=False)]
    data = write_dataset(tmp_path / "d", {"train": train, "val": [episode(2, 1)]})
    index = StepIndex([Dataset(data)], "train")
    assert index.teacher_known.tolist() == [True, True, False, False]


@pytest.mark.parametrize("workers", [1, 5])
def test_batches_do_not_depend_on_workers(index: StepIndex, workers: int) -> None:
    with make(index, workers=2) as one, make(index, workers=workers) as other:
        for _ in range(12):
            a, b = next(one), next(other)
            assert names(a) == names(b)
            assert torch.equal(a.images["image"], b.images["image"])


def test_a_place_is_behind_what_was_given_out_not_what_was_prepared(index: StepIndex) -> None:
    with make(index) as loader:
        for _ in range(7):
            next(loader)
        place = json.loads(json.dumps(loader.state()))
        following = [names(next(loader)) for _ in range(6)]
    with make(index, workers=3) as again:
        next(again)
        again.restore(place)
        assert [names(next(again)) for _ in range(6)] == following


def test_shares_of_a_mixture_are_exact_in_every_stretch() -> None:
    mixture = Mixture([10, 1000], [3.0, 1.0], seed=0)
    taken = mixture.take(400)
    for stretch in taken.reshape(-1, 40):
        assert (stretch < 10).sum() == 30
    small_ones = Counter(taken[taken < 10].tolist())
    assert set(small_ones.values()) == {30}
    large = taken[taken >= 10]
    assert len(set(large.tolist())) == len(large)


def test_sizes_as_weights_give_each_step_once() -> None:
    taken = Mixture([7, 31, 2], None, seed=1).take(80)
    assert sorted(taken[:40]) == sorted(taken[40:]) == list(range(40))


@pytest.mark.parametrize(
    ("sizes", "weights", "reason"),
    [([4, 0], None, "no steps"), ([4, 4], [1.0], "as many weights"), ([4], [0.0], "above 0")],
)
def test_impossible_mixtures(sizes: list[int], weights: list[float] | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Mixture(sizes, weights, 0)


def test_memory_does_not_grow_while_it_runs(index: StepIndex) -> None:
    with make(index, size=16) as loader:
        for _ in range(30):
            next(loader)
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(300):
            next(loader)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    one_batch = 16 * 2 * SIZE * SIZE * 3
    assert after - before < 8 * one_batch
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 20_000  # kB


def test_decoded_images_are_kept_as_far_as_there_is_room(data: Path) -> None:
    weight = SIZE * SIZE * 3
    images = StepImages(StepIndex([Dataset(data)], "train"), room=10 * weight + 5)
    once = [images.image("image", step) for step in range(36)]
    for step in range(36):
        again = images.image("image", step)
        assert (again is once[step]) == (step < 10)
        np.testing.assert_array_equal(again, once[step])


def test_images_stay_in_the_files(tmp_path: Path) -> None:
    data = small(tmp_path / "d", count=12)
    tracemalloc.start()
    index = StepIndex([Dataset(data)], "train")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    arrays = [v for v in vars(index).values() if isinstance(v, np.ndarray)]
    assert sum(a.nbytes for a in arrays) / len(index) < 200
    assert held < 400_000


def test_spans_are_where_the_bytes_are(data: Path) -> None:
    file = Dataset(data).shards["train"][0]
    content = file.read_bytes()
    episodes = list(Dataset(data).episodes("train"))
    for episode_, (offset, record) in zip(episodes, placed_records(file), strict=False):
        spans = bytes_spans(record)["steps/observation/image"]
        found = [content[offset + start : offset + start + length] for start, length in spans]
        assert found == episode_.images["image"]


def test_a_file_that_changes_is_named(tmp_path: Path) -> None:
    data = small(tmp_path / "d")
    index = StepIndex([Dataset(data)], "train")
    images, file = StepImages(index), index.files[0]
    file.write_bytes(b"\0" * file.stat().st_size)
    with pytest.raises(ValueError, match=r"d-train.tfrecord-00000.*byte"):
        images.image("image", 0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    data = small(tmp_path / "d")
    next((data / "1.0.0").glob("*train*00001-of*")).unlink()
    with pytest.raises(NotADataset, match="00001-of-00003 is missing"):
        StepIndex([Dataset(data)], "train")
