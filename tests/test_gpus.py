"""GPUs of a workstation: each has one cell at a time, whoever asks; nothing happens where there is none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from reference import REPOSITORY

from ssmpeft_lib.execute.gpus import own_gpu

HOLD = """
import os, sys
from ssmpeft_lib.execute.gpus import own_gpu
with own_gpu() as gpu:
    print(gpu, os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def environment(tmp_path) -> dict:
    """Two GPUs, said to be there, and locks of this test alone."""
    return os.environ | {"CUDA_VISIBLE_DEVICES": "3,GPU-abc", "TMPDIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}


def holder(environment: dict) -> subprocess.Popen:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdin=pipe, stdout=pipe, encoding="utf-8")


def test_no_two_processes_have_the_same_gpu_and_a_killed_one_frees_its_own(environment):
    first, second = holder(environment), holder(environment)
    taken = [process.stdout.readline().split() for process in (first, second)]
    assert sorted(gpu for gpu, _ in taken) == ["3", "GPU-abc"]
    assert all(gpu == visible for gpu, visible in taken)
    third = holder(environment)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert third.stdout.readline().split() == taken[0]
    for process in (second, third):
        process.communicate("\n", timeout=30)
        assert process.returncode == 0


def test_the_environment_is_as_before_and_without_gpus_nothing_happens(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")
    with own_gpu() as gpu:
        assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu == "5"
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5,6"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with own_gpu() as gpu:
        assert gpu is None
    assert [path.name for path in Path(tmp_path).rglob("*") if path.is_file()] == ["5"]
