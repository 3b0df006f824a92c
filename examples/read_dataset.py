# SPDX-License-Identifier: Apache-2.0
"""A dataset of `./rldg convert`, read in two ways.

    python examples/read_dataset.py data/<name>

First episode by episode, with the project's reader. Then as a plain PyTorch `Dataset` of single steps behind a
`DataLoader`, for training code of your own. Neither needs TensorFlow.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from rldg_distill.datasets import image_codec
from rldg_distill.datasets.rlds import Dataset
from rldg_distill.datasets.step_index import StepIndex
from rldg_distill.training.loader import StepImages


class Steps(TorchDataset[dict[str, torch.Tensor]]):
    """Every step of a split: the images of one camera, state and action in the units of the dataset."""

    def __init__(self, dataset: Dataset, split: str) -> None:
        self._index = StepIndex([dataset], split)  # numbers in memory
        self._images = StepImages(self._index)  # read where they lie
        self._camera = dataset.cameras[0]

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, step: int) -> dict[str, torch.Tensor]:
        return {
            "image": torch.from_numpy(self._images.image(self._camera, step).copy()),
            "state": torch.from_numpy(self._index.state[step]),
            "action": torch.from_numpy(self._index.action[step]),
        }


def print_episodes(dataset: Dataset, split: str) -> int:
    """One line for each episode; how many there are."""
    count = 0
    for episode in dataset.episodes(split):
        count += 1
        about = episode.metadata
        shape = image_codec.decode(episode.images[dataset.cameras[0]][0]).shape
        print(
            f"{about.bag}: {about.task_id}, {about.source}, {len(episode)} steps, images {shape}, "
            f"'{episode.instruction[0]}', {'success' if about.success else 'no success'}"
        )
    return count


def main(arguments: list[str] | None = None) -> tuple[int, int]:
    """Numbers of episodes and of batches in the split."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="data/<name>")
    parser.add_argument("--split", default="train", choices=("train", "val"))
    options = parser.parse_args(arguments)
    dataset = Dataset(options.data)
    episodes = print_episodes(dataset, options.split)
    loader = DataLoader(Steps(dataset, options.split), batch_size=32, shuffle=True)
    for batch in loader:
        shapes = {name: tuple(tensor.shape) for name, tensor in batch.items()}
    print(f"{len(loader)} batches, the last one: {shapes}")
    return episodes, len(loader)


if __name__ == "__main__":
    main()
