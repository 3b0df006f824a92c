# SPDX-License-Identifier: Apache-2.0
"""What a bag's metadata says, whoever wrote it and however damaged it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldg_core.bags.bag_reader import custom_data

TOP = "rosbag2_bagfile_information:\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (TOP + "  custom_data:\n    a: '1'\n    b: '{\"c\": 2}'\n", {"a": "1", "b": '{"c": 2}'}),
        (TOP + "  version: 9\n  files: [{path: x}]\n  custom_data: {a: 1}\n  z: 1\n", {"a": "1"}),
        (TOP + "  custom_data: ~\n  version: 9\n", {}),
        (TOP + "  version: 5\n", {}),
    ],
)
def test_custom_data_is_found_wherever_it_stands(
    text: str, found: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "metadata.yaml").write_text(text)
    assert custom_data(tmp_path) == found


@pytest.mark.parametrize("text", ["", "{", "a: 1", "\0", TOP + "  custom_data:\n    a: [1]\n"])
def test_damaged_metadata_is_reported(text: str, tmp_path: Path) -> None:
    (tmp_path / "metadata.yaml").write_text(text)
    with pytest.raises(ValueError, match=r"metadata\.yaml is damaged"):
        custom_data(tmp_path)
