# SPDX-License-Identifier: Apache-2.0
"""Files and folders are there whole or as they were, and on disk before they have their name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rldg_core.files.atomic_file import publish, write_atomically, written_whole


class Disk:
    """What the disk was asked to keep, and which renames it saw, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        fsync, replace = os.fsync, os.replace

        def keep(descriptor: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            size = path.stat().st_size if path.is_file() else "/"
            self.done.append(f"{path.name} {size}")
            fsync(descriptor)

        def rename(old: Path, new: Path) -> None:
            self.done.append(f"{Path(old).name} -> {Path(new).name}")
            replace(old, new)

        monkeypatch.setattr(os, "fsync", keep)
        monkeypatch.setattr(os, "replace", rename)


def test_all_bytes_are_on_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    write_atomically(tmp_path / "a.json", "short")  # shorter than any buffer
    assert disk.done == [".draft.a.json 5", ".draft.a.json -> a.json", f"{tmp_path.name} /"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as draft:
        draft.write_bytes(b"half of the n")
        raise KeyboardInterrupt
    with written_whole(path):
        pass  # nothing was written
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with written_whole(path) as draft:
        assert draft.suffix == path.suffix and draft.parent == path.parent
        draft.write_bytes(b"new")
    assert path.read_bytes() == b"new" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError):
        write_atomically(tmp_path / "nowhere" / "a", "x")


def test_a_folder_is_published_with_all_that_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = tmp_path / "draft"
    (draft / "below").mkdir(parents=True)
    (draft / "below" / "a").write_text("abc")
    (draft / "b").write_text("de")
    disk = Disk(monkeypatch)
    publish(draft, tmp_path / "whole")
    *before, renamed, after = disk.done
    assert sorted(before) == ["a 3", "b 2", "below /", "draft /"]
    assert (renamed, after) == ("draft -> whole", f"{tmp_path.name} /")
    assert (tmp_path / "whole" / "below" / "a").read_text() == "abc" and not draft.exists()
