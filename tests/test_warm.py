"""The warm server: the same results as a plain process, a plain process where it cannot be, and nothing left behind."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from reference import REPOSITORY

from ssmpeft_lib.__main__ import INTERRUPTED
from ssmpeft_lib.execute.forkserver import server

pytestmark = pytest.mark.slow

CLIENT = REPOSITORY / "ssmpeft_lib" / "execute" / "forkserver" / "client.py"

TRAIN = """
import hashlib, torch
torch.set_num_threads(1)
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Dropout(0.1), torch.nn.Linear(32, 1))
optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
for _ in range(20):
    net(torch.randn(8, 16)).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()
print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in net.parameters())).hexdigest())
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """An environment with a server of its own, which ends with the tests."""
    folder = tmp_path_factory.mktemp("run")
    folder.chmod(0o700)
    yield {**os.environ, "XDG_RUNTIME_DIR": str(folder), "SSMPEFT_WARM_IDLE": "60", "PYTHONPATH": str(REPOSITORY)}
    for socket in folder.glob("ssmpeft-*/*"):
        if socket.suffix == "":
            socket.unlink(missing_ok=True)


def notebook(folder: Path, *cells: str) -> Path:
    import nbformat

    path = folder / "notebook.ipynb"
    parameters = nbformat.v4.new_code_cell("cell = results = output = overrides = learning_rate = threads = None")
    parameters["metadata"]["tags"] = ["parameters"]
    contents = nbformat.v4.new_notebook(
        cells=[parameters, *map(nbformat.v4.new_code_cell, cells)],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(contents, path)
    return path


def run_cell(folder: Path, environment: dict, path: Path) -> tuple[str, dict]:
    """Output of the notebook's first cell, and metrics.json."""
    folder.mkdir(exist_ok=True)
    output = folder / "cell.ipynb"
    command = [sys.executable, "-S", "-E", CLIENT, "run-cell", "quick/mamba-130m/lora/dart/seed0"]
    done = subprocess.run(
        [*command, "--notebook", path, "--output", output],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    executed = json.loads(output.read_text(encoding="utf-8"))
    texts = [out.get("text", "") for out in executed["cells"][-1]["outputs"]]
    return "".join("".join(text) for text in texts), json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


def test_a_warm_kernel_computes_what_a_plain_one_does(tmp_path, environment):
    path = notebook(tmp_path, TRAIN)
    warm, _ = run_cell(tmp_path / "warm", environment, path)
    again, _ = run_cell(tmp_path / "again", environment, path)
    plain, _ = run_cell(tmp_path / "plain", environment | {"SSMPEFT_WARM": "0"}, path)
    assert len(warm.strip()) == 64
    assert warm == again == plain


@pytest.mark.parametrize("warm", ["1", "0"])
def test_what_a_cell_logs_can_be_followed_and_is_no_output_of_its_notebook(tmp_path, environment, warm):
    said = "print('to the page', file=sys.stderr); logging.getLogger('ssmpeft_lib.x').info('half way')"
    path = notebook(tmp_path, f"import logging, sys, time; {said}; time.sleep(60)")
    log = tmp_path / "cell.log"
    command = [sys.executable, "-S", "-E", CLIENT, "run-cell", "quick/mamba-130m/lora/dart/seed0"]
    with log.open("w", encoding="utf-8") as file:
        client = subprocess.Popen(
            [*command, "--notebook", path, "--output", tmp_path / "o" / "cell.ipynb"],
            env=environment | {"SSMPEFT_WARM": warm},
            stderr=file,
            # whoever runs the tests in the background of a script has them ignore Ctrl-C, and their children too
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        wait_for(lambda: "half way" in log.read_text(encoding="utf-8"), "a line in the log", 120)
        assert "to the page" not in log.read_text(encoding="utf-8")
    finally:
        client.send_signal(signal.SIGINT)
    assert client.wait(timeout=60) == INTERRUPTED
    assert log.read_text(encoding="utf-8").splitlines()[-2:] == ["half way", "stopped"]


def test_a_failed_cell_keeps_its_notebook_and_says_why(tmp_path, environment):
    path = notebook(tmp_path, "1 / 0")
    _, metrics = run_cell(tmp_path / "failed", environment, path)
    assert metrics["status"] == "failed"
    assert metrics["error"] == {"type": "ZeroDivisionError", "message": "division by zero"}
    executed = json.loads((tmp_path / "failed" / "cell.ipynb").read_text(encoding="utf-8"))
    assert any(out["output_type"] == "error" for cell in executed["cells"] for out in cell.get("outputs", []))


def test_a_failed_cell_keeps_no_answers_of_an_earlier_run(tmp_path, environment):
    folder = tmp_path / "failed"
    (folder / "adapter").mkdir(parents=True)
    (folder / "predictions.jsonl").write_text("{}", encoding="utf-8")
    run_cell(folder, environment, notebook(tmp_path, "1 / 0"))
    assert {path.name for path in folder.iterdir()} == {"cell.ipynb", "metrics.json"}


def test_another_virtual_environment_has_another_server(tmp_path, environment):
    """Even one with the same interpreter, and the same environment once its packages have changed."""
    keys = []
    for home in ("one", "two"):
        (tmp_path / home / "bin").mkdir(parents=True)
        (tmp_path / home / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
        folder = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        (tmp_path / home / folder).mkdir(parents=True)
        for touched in (False, True):
            if touched:
                os.utime(tmp_path / home / folder, ns=(1, 1))
            code = (
                f"import sys; sys.path.insert(0, {str(CLIENT.parent)!r}); import identity; print(identity.server_key())"
            )
            command = [tmp_path / home / "bin" / "python", "-S", "-E", "-c", code]
            keys.append(subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout)
    assert len(set(keys)) == 4


def test_a_kernel_that_dies_is_a_failed_cell(tmp_path, environment):
    path = notebook(tmp_path, "import os; os.kill(os.getpid(), 9)")
    _, metrics = run_cell(tmp_path / "dead", environment, path)
    assert metrics["error"]["type"] == "DeadKernelError"


@pytest.mark.parametrize("code", ["import time; time.sleep(600)", "import os; os.kill(os.getpid(), 19)"])
@pytest.mark.parametrize("warm", ["1", "0"])
def test_a_kernel_that_hangs_is_a_failed_cell_once_its_time_is_over(tmp_path, environment, code, warm):
    own = environment | {"SSMPEFT_CELL_HOURS": "0.0006", "SSMPEFT_WARM": warm}
    _, metrics = run_cell(tmp_path / "hung", own, notebook(tmp_path, code))
    assert metrics["error"]["type"] == "TimedOut"
    assert "stopped after 2 s" in metrics["error"]["message"] and "cell_hours" in metrics["error"]["message"]


def test_the_hours_are_those_of_the_whole_cell_and_not_of_each_step(tmp_path, environment):
    steps = ["import time; time.sleep(1.6)"] * 5
    own = environment | {"SSMPEFT_CELL_HOURS": str(3 / 3600)}
    _, metrics = run_cell(tmp_path / "long", own, notebook(tmp_path, *steps))
    assert metrics["error"]["type"] == "TimedOut"


def test_a_notebook_without_a_result_is_a_failed_cell(tmp_path, environment):
    _, metrics = run_cell(tmp_path / "empty", environment, notebook(tmp_path, "pass"))
    assert metrics["error"]["type"] == "MissingResult"


def test_without_a_place_for_sockets_the_command_runs_plainly(tmp_path, environment):
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    command = [sys.executable, "-S", "-E", CLIENT, "points", "--exhibit", "nothing"]
    environment = environment | {"XDG_RUNTIME_DIR": str(blocked)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 1
    assert "starting plainly" in done.stderr and "no exhibit 'nothing'" in done.stderr


def test_when_the_client_is_killed_its_cell_ends_too(tmp_path, environment):
    marker = tmp_path / "pid"
    sleeper = f"import os, pathlib, time; pathlib.Path({str(marker)!r}).write_text(str(os.getpid())); time.sleep(120)"
    path = notebook(tmp_path, sleeper)
    command = [sys.executable, "-S", "-E", CLIENT, "run-cell", "quick/mamba-130m/lora/dart/seed0"]
    client = subprocess.Popen(
        [*command, "--notebook", path, "--output", tmp_path / "o" / "cell.ipynb"], env=environment
    )
    kernel = int(wait_for(lambda: marker.exists() and marker.read_text(encoding="utf-8"), "the kernel to start", 120))
    client.send_signal(signal.SIGKILL)
    client.wait()
    wait_for(lambda: not alive(kernel), "the kernel to end", 20)


@pytest.mark.parametrize("warm", ["1", "0"])
def test_when_snakemake_is_killed_its_cells_end_too_warm_or_not(tmp_path, environment, warm):
    marker = tmp_path / "pid"
    sleeper = f"import os, pathlib, time; pathlib.Path({str(marker)!r}).write_text(str(os.getpid())); time.sleep(120)"
    command = [sys.executable, "-S", "-E", str(CLIENT), "run-cell", "quick/mamba-130m/lora/dart/seed0"]
    command += ["--notebook", str(notebook(tmp_path, sleeper)), "--output", str(tmp_path / "o" / "cell.ipynb")]
    # a parent whose command line says snakemake, as a client looks for, and a shell between the two
    parent = f"import subprocess; subprocess.run({shlex.join(command)!r} + '; true', shell=True)"
    started = subprocess.Popen(
        [sys.executable, "-c", parent, "snakemake"], env=environment | {"SSMPEFT_WARM": warm}, stderr=subprocess.DEVNULL
    )
    kernel = int(wait_for(lambda: marker.exists() and marker.read_text(encoding="utf-8"), "the kernel to start", 120))
    started.send_signal(signal.SIGKILL)
    started.wait()
    wait_for(lambda: not alive(kernel), "the kernel to end", 60)


def test_when_snakemake_is_killed_while_the_server_starts_its_cells_end_too(tmp_path, environment):
    marker, folder = tmp_path / "pid", tmp_path / "own"
    folder.mkdir(mode=0o700)
    sleeper = f"import os, pathlib, time; pathlib.Path({str(marker)!r}).write_text(str(os.getpid())); time.sleep(120)"
    command = [sys.executable, "-S", "-E", str(CLIENT), "run-cell", "quick/mamba-130m/lora/dart/seed0"]
    command += ["--notebook", str(notebook(tmp_path, sleeper)), "--output", str(tmp_path / "o" / "cell.ipynb")]
    parent = f"import subprocess; subprocess.run({shlex.join(command)!r} + '; true', shell=True)"
    started = subprocess.Popen(
        [sys.executable, "-c", parent, "snakemake"], env=environment | {"XDG_RUNTIME_DIR": str(folder)}
    )
    wait_for(lambda: list(folder.glob("ssmpeft-*/*.log")), "the server to be started", 60)
    assert not marker.exists()
    started.send_signal(signal.SIGKILL)
    started.wait()
    running = map(int, filter(str.isdigit, os.listdir("/proc")))
    clients = [pid for pid in running if str(tmp_path / "o") in command_of(pid)]
    wait_for(lambda: not any(map(alive, clients)), "the client to end", 150)
    ended = lambda: not marker.exists() or not alive(int(marker.read_text(encoding="utf-8")))  # noqa: E731
    wait_for(ended, "the kernel to end, if it began", 30)


def test_when_the_supervisor_of_a_cell_is_killed_the_cell_ends_too(tmp_path, environment):
    marker = tmp_path / "pid"
    sleeper = f"import os, pathlib, time; pathlib.Path({str(marker)!r}).write_text(str(os.getpid())); time.sleep(120)"
    command = [sys.executable, "-S", "-E", CLIENT, "run-cell", "quick/mamba-130m/lora/dart/seed0"]
    client = subprocess.Popen(
        [*command, "--notebook", notebook(tmp_path, sleeper), "--output", tmp_path / "o" / "cell.ipynb"],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    kernel = int(wait_for(lambda: marker.exists() and marker.read_text(encoding="utf-8"), "the kernel to start", 120))
    with open(f"/proc/{kernel}/stat", encoding="utf-8") as file:
        supervisor = int(file.read().rpartition(")")[2].split()[1])
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: not alive(kernel), "the kernel to end", 20)
    client.kill()
    client.wait()


def test_a_path_too_long_for_a_socket_starts_no_server(tmp_path, environment):
    folder = tmp_path / ("long" * 30)
    folder.mkdir(mode=0o700)
    command = [sys.executable, "-S", "-E", CLIENT, "points", "--exhibit", "nothing"]
    environment = environment | {"XDG_RUNTIME_DIR": str(folder)}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "no exhibit 'nothing'" in done.stderr
    assert done.stderr.count("starting plainly: a socket's path may have 107 bytes") == 1
    assert not list(folder.glob("ssmpeft-*/*"))


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, what: str, seconds: float):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.1)
    pytest.fail(f"waited {seconds} s for {what}")


@pytest.mark.parametrize("module", server.MODULES)
def test_what_the_server_imports_ahead_is_there(module):
    assert importlib.util.find_spec(module), f"{module} is gone: its cells would import what came in its place"
