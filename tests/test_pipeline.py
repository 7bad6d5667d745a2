"""The whole pipeline, for real and small: a book comes out, in a folder with a space; and what faults do to it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_book import CELLS, EXHIBIT, OVERRIDE, command, results, snakemake, times

from ssmpeft_lib.__main__ import main

pytestmark = pytest.mark.slow

PATIENCE = 600
FAILS = "mamba-130m/dora@A_log/dart/seed0"
SEEDS = {"quick": 2, "real": 1, "paper": 1}


@pytest.fixture(scope="module", autouse=True)
def own_server(tmp_path_factory):
    """Cells of these tests share a warm server with nobody else, and it ends soon after them."""
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        patch.setenv("SSMPEFT_WARM_IDLE", "20")
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A working directory with a finished book."""
    folder = tmp_path_factory.mktemp("a small") / "bo ok"
    done = snakemake(folder, "--cores", "2")
    assert done.returncode == 0, done.stdout[-5000:]
    assert f"{CELLS} of {CELLS} cells ran." in done.stdout
    assert f"The book: {folder}/results/quick/html/index.html" in done.stdout
    return folder


def test_every_cell_leaves_its_notebook_and_the_book_shows_it(folder):
    assert len(results(folder)) == len(results(folder, "cell.ipynb")) == CELLS
    html = folder / "results" / "quick" / "html"
    pages = {path.relative_to(html / "cells").parent.as_posix() for path in html.glob("cells/*/*/*/seed*.html")}
    assert {
        path.parent.parent.relative_to(folder / "results/quick/cells").as_posix() for path in results(folder)
    } == pages
    document = json.loads((folder / "results" / "quick" / "exhibits" / f"{EXHIBIT}.json").read_text(encoding="utf-8"))
    scores = [point for row in document["rows"] for point in row["points"] if not point["metric"].startswith("params")]
    assert scores and all(point["ours"]["mean"] is not None for point in scores)


def test_a_call_with_nothing_to_do_runs_nothing_and_says_where_the_book_is(folder):
    before = times(folder)
    done = snakemake(folder, "--cores", "2")
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines() if line.startswith("total")] == [["total", "1"]]
    assert f"The book: {folder}/results/quick/html/index.html" in done.stdout
    assert "cells: training" in done.stdout and "the book" in done.stdout
    assert times(folder) == before


def test_packed_results_make_the_same_tables_elsewhere_and_nothing_is_run(folder, tmp_path, capsys):
    archive, other = tmp_path / "quick.tar.gz", tmp_path / "else where"
    assert main(["pack", "--scale", "quick", "--results", str(folder / "results"), str(archive)]) == 0
    assert main(["unpack", "--results", str(other / "results"), str(archive)]) == 0
    copy_shares(folder, other)
    jobs = planned(other, cells="existing")
    assert {"exhibit", "pages", "html"} <= jobs.keys()
    assert not jobs.keys() & {"cell", "checkpoint", "data", "tokenizer", "template"}
    done = snakemake(other, "--cores", "2", "exhibits", cells="existing")
    assert done.returncode == 0, done.stdout[-3000:]
    name = f"results/quick/exhibits/{EXHIBIT}.json"
    assert (other / name).read_text(encoding="utf-8") == (folder / name).read_text(encoding="utf-8")


def test_where_half_of_the_results_exist_the_rest_are_holes(folder, tmp_path):
    for path in results(folder)[::2]:
        copy = tmp_path / path.relative_to(folder)
        copy.parent.mkdir(parents=True)
        copy.write_bytes(path.read_bytes())
    copy_shares(folder, tmp_path)
    done = snakemake(tmp_path, "--cores", "2", "exhibits", cells="existing")
    assert done.returncode == 0, done.stdout[-3000:]
    document = json.loads((tmp_path / "results" / "quick" / "exhibits" / f"{EXHIBIT}.json").read_text(encoding="utf-8"))
    scores = [point for row in document["rows"] for point in row["points"] if not point["metric"].startswith("params")]
    holes = [point for point in scores if point["ours"].get("mean") is None]
    assert 0 < len(holes) < len(scores)


def test_snakemake_killed_and_two_at_once(folder):
    first_seed = times(folder)
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with open(folder / "killed.log", "w", encoding="utf-8") as log:
        again = command(folder, "--cores", "2", "cells", seeds=SEEDS)
        running = subprocess.Popen(again, stdout=log, stderr=subprocess.STDOUT)
    wait_for(lambda: any(folder.glob(".snakemake/locks/*")), "the first to lock the folder")
    second = subprocess.Popen(again, **options)
    wait_for(lambda: len(results(folder)) >= CELLS + 2, "two more cells")
    assert running.poll() is None, "the first one was harmed by the second"
    running.send_signal(signal.SIGKILL)
    running.wait()
    said, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode != 0 and "locked" in said
    # nobody goes on computing
    wait_for(lambda: not processes_in(folder), "the cells to end")
    finished = times(folder)
    assert CELLS + 2 <= len(finished) < 2 * CELLS

    locked = snakemake(folder, "--cores", "2", "cells", seeds=SEEDS)
    assert locked.returncode != 0 and "--unlock" in locked.stdout
    assert snakemake(folder, "--unlock", seeds=SEEDS).returncode == 0
    done = snakemake(folder, "--cores", "2", "cells", seeds=SEEDS)
    assert done.returncode == 0, done.stdout[-5000:]
    last = times(folder)
    assert len(last) == 2 * CELLS
    assert first_seed.items() <= last.items()
    # only what was being computed when it was killed is computed again
    computed_again = [path for path, when in finished.items() if last[path] != when]
    assert len(computed_again) <= 2, computed_again
    assert not results(folder, ".cell.ipynb")


def test_a_failing_cell_leaves_a_hole_a_notebook_and_an_exit_status(folder):
    model, method, dataset, _ = FAILS.split("/")
    too_large = {"match": f"{model}/{method}/{dataset}", "set": {"batch_size": 100}}
    options = {"overrides": [OVERRIDE, too_large]}
    done = snakemake(folder, "--cores", "2", **options)
    assert done.returncode == 1
    assert f"failed: quick/{FAILS}: ValueError: 64 training examples do not fill a batch of 100" in done.stdout
    assert f"The book: {folder}" in done.stdout and "forget-failed" in done.stdout
    cell = folder / "results" / "quick" / "cells" / FAILS
    assert json.loads((cell / "metrics.json").read_text(encoding="utf-8"))["status"] == "failed"
    notebook = json.loads((cell / "cell.ipynb").read_text(encoding="utf-8"))
    outputs = [output for part in notebook["cells"] for output in part.get("outputs", [])]
    assert any(output["output_type"] == "error" and output["traceback"] for output in outputs)
    document = json.loads((folder / "results" / "quick" / "exhibits" / f"{EXHIBIT}.json").read_text(encoding="utf-8"))
    holes = {row["label"] for row in document["rows"] for p in row["points"] if p["ours"].get("mean") is None}
    assert len(holes) == 1
    page = folder / "results" / "quick" / "html" / "cells" / f"{FAILS}.html"
    assert "do not fill a batch of 100" in page.read_text(encoding="utf-8")
    # and it is tried again once forgotten
    assert main(["forget-failed", "--results", str(folder / "results")]) == 0
    assert planned(folder, **options)["cell"] == 1
    # who asks for no book is told as well
    done = snakemake(folder, "--cores", "2", "cells", **options)
    assert done.returncode == 1
    assert f"failed: quick/{FAILS}: ValueError: 64 training examples do not fill a batch of 100" in done.stdout
    assert "forget-failed" in done.stdout and "Traceback" not in done.stdout


def test_a_job_that_fails_before_the_cells_says_why(tmp_path):
    no_such_split = {"match": "*/dart", "set": {"splits": {"val": "nonsense"}}}
    target = "results/quick/data/stand-in/dart.json"
    done = snakemake(tmp_path, "--cores", "2", target, overrides=[no_such_split])
    assert done.returncode == 1
    assert f"data failed: {target}" in done.stdout
    assert re.search(r"^ +.*nonsense", done.stdout, re.M), done.stdout


def copy_shares(source: Path, target: Path) -> None:
    """The counts of parameters depend on code and specs alone, and take half a minute."""
    for name in ("shares.json", "catalogue.json"):
        (target / "results" / name).write_bytes((source / "results" / name).read_bytes())


def planned(folder: Path, **options) -> dict[str, int]:
    """How many jobs of each rule a dry run counts."""
    done = snakemake(folder, "-n", "-q", "all", **options)
    assert done.returncode == 0, done.stdout
    return {name: int(count) for name, count in re.findall(r"^(\w+)\s+(\d+)$", done.stdout, flags=re.M)}


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 20 megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)], capture_output=True, encoding="utf-8"
    )
    if mounted.returncode:
        pytest.skip(f"a small disk takes the right to mount one: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_leaves_nothing_half_written_and_once_there_is_room_the_rest_is_made(folder, small_disk):
    place = small_disk / "work"
    made, wanted = folder / "results" / "quick", place / "results" / "quick"
    for name in ("models", "data", "tokenizers"):
        shutil.copytree(made / name, wanted / name)
    shutil.copy2(made / "cell.ipynb", wanted)
    # Snakemake's own records need a few blocks; the first cells' notebooks then take the rest
    filler = small_disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(small_disk).free - 600_000))
    full = snakemake(place, "--cores", "2", "cells")
    assert full.returncode != 0 or "failed" in full.stdout
    for path in [*results(place), *results(place, "cell.ipynb")]:
        json.loads(path.read_text(encoding="utf-8"))
    whole = {path for path in results(place) if json.loads(path.read_text(encoding="utf-8"))["status"] == "ok"}
    assert len(whole) < CELLS

    filler.unlink()
    assert main(["forget-failed", "--results", str(place / "results")]) == 0
    snakemake(place, "--unlock")
    before = times(place)
    done = snakemake(place, "--cores", "2", "cells")
    assert done.returncode == 0, done.stdout[-5000:]
    assert {json.loads(path.read_text(encoding="utf-8"))["status"] for path in results(place)} == {"ok"}
    assert len(results(place)) == CELLS
    # what was finished is not computed again, but for cells whose end Snakemake found no room to note: one a core
    again = {path for path in whole if times(place)[path] != before[path]}
    assert len(again) <= 2 < len(whole)


def processes_in(folder: Path) -> list[int]:
    """Processes whose working directory is the folder, or below it."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if Path(os.readlink(path / "cwd")).is_relative_to(folder):
                    found.append(int(path.name))
            except OSError:
                continue
    return found


def wait_for(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.2)
