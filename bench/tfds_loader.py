# SPDX-License-Identifier: Apache-2.0
"""The reference of bench/loader.py: the same batches through TensorFlow Datasets, as Octo's loader makes them.

    python bench/tfds_loader.py data/<name>/1.0.0 <batch> <seconds> <threads>

Episodes with encoded images, chunks of four actions, steps flattened, shuffled in a buffer of 10,000, decoded in
parallel, batched, prefetched. Needs tensorflow and tensorflow_datasets, and nothing of this project. Prints seconds by
the clock and of the processor per sample.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import tensorflow as tf
import tensorflow_datasets as tfds

CHUNK = 4


def steps_of(episode: dict[str, Any]) -> tf.data.Dataset:
    """Every step of an episode with its chunk of actions."""
    steps = episode["steps"]
    length = tf.shape(steps["action"])[0]
    ahead = tf.range(length)[:, None] + tf.range(CHUNK)[None]
    sample = {
        "image": steps["observation"]["image"],
        "state": steps["observation"]["state"],
        "instruction": steps["language_instruction"],
        "action": tf.gather(steps["action"], tf.minimum(ahead, length - 1)),
        "action_mask": ahead < length,
    }
    return tf.data.Dataset.from_tensor_slices(sample)


def decoded(sample: dict[str, Any]) -> dict[str, Any]:
    """With its image as pixels."""
    return {**sample, "image": tf.io.decode_image(sample["image"], expand_animations=False)}


def main() -> None:
    """Measure and print."""
    folder, batch, seconds, threads = sys.argv[1], *map(int, sys.argv[2:])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    builder = tfds.builder_from_directory(folder)
    episodes = builder.as_dataset(
        split="train", shuffle_files=True, decoders={"steps": tfds.decode.SkipDecoding()}
    )
    samples = episodes.repeat().flat_map(steps_of).shuffle(10_000)
    batches = samples.map(decoded, tf.data.AUTOTUNE).batch(batch).prefetch(2).with_options(options)
    stream = iter(batches.as_numpy_iterator())
    for _ in range(5):
        next(stream)
    count, start, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < seconds:
        next(stream)
        count += batch
    wall, processor = time.perf_counter() - start, time.process_time() - used
    print(json.dumps([wall / count, processor / count]))


if __name__ == "__main__":
    main()
