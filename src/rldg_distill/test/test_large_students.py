# SPDX-License-Identifier: Apache-2.0
"""The measurement of the large students, small and on the processor: it has to run when a GPU is at hand."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import torch

BENCH = Path(__file__).parents[3] / "bench" / "large_students.py"


def test_it_measures_both_students() -> None:
    options = ["--device", "cpu", "--size", "tiny", "--seconds", "0"]
    batches = ["--octo-batch", "2", "--openvla-batch", "2"]
    done = subprocess.run(
        [sys.executable, str(BENCH), *options, *batches], capture_output=True, text=True, check=True
    )
    found = {}
    for line in done.stdout.splitlines():
        found |= json.loads(line) if line.startswith("{") else {}
    assert set(found) == {"octo", "openvla"}
    for student in found.values():
        for what in ("inference", "training"):
            assert student[what]["seconds"] > 0
            assert student[what]["giga_operations"] > 0
            assert student[what]["share_of_peak"] > 0


def test_attention_is_counted_on_every_device() -> None:
    spec = importlib.util.spec_from_file_location("large_students", BENCH)
    assert spec is not None
    assert spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    heads, tokens, width = 3, 16, 8
    query = torch.randn(2, heads, tokens, width)
    attend = torch.nn.functional.scaled_dot_product_attention
    with torch.inference_mode():
        counted = bench.operations(lambda: attend(query, query, query))
    assert counted == 2 * heads * 4 * tokens * tokens * width
