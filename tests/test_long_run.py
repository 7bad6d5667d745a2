"""A night of cells through one warm server: its memory and its open files stay what they were.

    SSMPEFT_LONG_RUN=300 .venv/bin/python -m pytest tests/test_long_run.py

runs so many cells, one behind the other; without the variable a few. The bounds are those of the constants.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reference import REPOSITORY
from test_warm import CLIENT, notebook, wait_for

CELLS = int(os.environ.get("SSMPEFT_LONG_RUN", "6"))
FIRST = 3
"""Cells after which memory and files are looked at first: by then everything is imported."""

MEGABYTES = 16
"""How much the server's memory may grow in all, whatever the number of cells."""

CODE = """
import torch
torch.set_num_threads(1)
net = torch.nn.Linear(256, 256)
for _ in range(5):
    net(torch.randn(64, 256)).square().mean().backward()
"""


def server_of(folder: Path) -> int:
    """The process that listens on the socket in a folder."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if any(word.endswith("forkserver.server") for word in words) and any(str(folder) in word for word in words):
            return int(pid)
    return 0


def held_by(pid: int) -> tuple[float, int, int]:
    """Megabytes of a process that no other shares, its open files, and its children."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines()
    private = sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return private / 1024, len(os.listdir(f"/proc/{pid}/fd")), len(children)


def at_rest(pid: int) -> tuple[float, int, int]:
    """The least of some looks: what a fork has just left behind counts for a moment."""
    looks = []
    for _ in range(5):
        time.sleep(0.5)
        looks.append(held_by(pid))
    return min(looks)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not tell a process's memory")
def test_many_cells_leave_nothing_in_the_server(tmp_path):
    runtime = tmp_path / "r"
    runtime.mkdir(mode=0o700)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "SSMPEFT_WARM_IDLE": "30"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    path, output = notebook(tmp_path, CODE), tmp_path / "cell" / "cell.ipynb"
    output.parent.mkdir()
    command = [sys.executable, "-S", "-E", CLIENT, "run-cell", "quick/mamba-130m/lora/dart/seed0"]
    seen = []
    for count in range(1, CELLS + 1):
        subprocess.run(
            [*command, "--notebook", path, "--output", output], env=environment, capture_output=True, check=True
        )
        if count in (FIRST, CELLS):
            server = server_of(runtime)
            assert server, "the cells did not go through the warm server"
            wait_for(lambda server=server: held_by(server)[2] == 0, "the last cell's processes to end", 30)
            seen.append(at_rest(server))
    (first, files, _), (last, files_now, _) = seen
    print(f"{CELLS} cells: {first:.1f} MB and {files} files after {FIRST}, {last:.1f} MB and {files_now} at the end")
    assert last - first < MEGABYTES and files_now <= files
