"""Files and folders are there whole or not at all, flushed before and after the rename, and no draft stays behind."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys

import pytest
from reference import REPOSITORY

from ssmpeft_lib.plan import atomic
from ssmpeft_lib.plan.atomic import replacing, replacing_folder, write_text


@pytest.fixture
def calls(monkeypatch):
    """What is asked of the disk, in order: renames, and flushes of files and folders."""
    done, flush, replace = [], atomic.flush, os.replace

    def flushed(path):
        done.append(("flush", path.name))
        flush(path)

    def renamed(old, new):
        done.append(("rename", new.name))
        replace(old, new)

    monkeypatch.setattr(atomic, "flush", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    return done


def test_a_file_is_flushed_then_renamed_then_its_folder_is_flushed(tmp_path, calls):
    write_text(tmp_path / "deep" / "a.json", "é")
    assert (tmp_path / "deep" / "a.json").read_text(encoding="utf-8") == "é"
    (first, draft), *rest = calls
    assert first == "flush" and draft.endswith(".json")
    assert rest == [("rename", "a.json"), ("flush", "deep")]


def test_every_file_of_a_folder_is_flushed_before_the_rename(tmp_path, calls):
    with replacing_folder(tmp_path / "book") as draft:
        (draft / "part").mkdir()
        (draft / "part" / "one").touch()
        (draft / "two").touch()
    before = calls[: calls.index(("rename", "book"))]
    assert {("flush", name) for name in ("one", "two", "part")} <= set(before)
    assert calls[-1] == ("flush", tmp_path.name)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_contents_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(error), replacing(path) as draft:
        draft.write_text("half", encoding="utf-8")
        raise error
    folder = tmp_path / "folder"
    with replacing_folder(folder) as draft:
        write_text(draft / "old", "")
    with pytest.raises(error), replacing_folder(folder) as draft:
        write_text(draft / "new", "")
        raise error
    assert path.read_text(encoding="utf-8") == "old" and [file.name for file in folder.iterdir()] == ["old"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.txt", "folder"]


def test_a_folder_takes_the_place_of_another_or_of_a_file(tmp_path):
    for earlier in (tmp_path / "folder", tmp_path / "file"):
        earlier.mkdir() if earlier.name == "folder" else earlier.touch()
        with replacing_folder(earlier) as draft:
            write_text(draft / "new", "")
        assert [file.name for file in earlier.iterdir()] == ["new"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "folder"]


def test_the_next_writer_removes_what_a_killed_one_left_and_no_draft_of_one_that_runs(tmp_path):
    code = """
        import os, sys; from pathlib import Path; from ssmpeft_lib.plan.atomic import replacing, replacing_folder
        with replacing(sys.argv[1] + "/a.json") as draft, replacing_folder(sys.argv[1] + "/b") as folder:
            draft.touch(); (folder / "c").touch()
            os.kill(os.getpid(), 9)
    """
    code = "\n".join(line[8:] for line in code.splitlines())
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY)
    others = tmp_path / f".a.{platform.node()}.{os.getppid()}.1.draft.json"
    others.touch()
    assert len(list(tmp_path.iterdir())) == 3
    write_text(tmp_path / "a.json", "")
    with replacing_folder(tmp_path / "b"):
        pass
    assert {file.name for file in tmp_path.iterdir()} == {"a.json", "b", others.name}


def test_nothing_else_in_the_library_renames_files():
    for path in (REPOSITORY / "ssmpeft_lib").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if path.name != "atomic.py":
            assert not re.search(r"os\.(replace|rename)\(|\.rename\(|mkstemp", text), path
