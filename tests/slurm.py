"""A real SLURM of two nodes on this machine: munged, one slurmctld, two slurmd, all of this user and in one folder.

Nothing outside the folder is written. The nodes are two daemons of one host, as Debian's build allows. There is no
accounting, so states of jobs are asked of squeue.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from required import missing

DAEMONS = ("munged", "slurmctld", "slurmd")
NODES = ("n1", "n2")
CPUS = 2
SBIN = "/usr/sbin"

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={port}
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout=10
KillWait=2
MinJobAge=3600
SchedulerParameters=sched_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
PartitionName=main Nodes=ALL Default=YES MaxTime=600 State=UP
"""


class Cluster:
    """The daemons and what can be asked of them.

    Attributes:
        environment: for processes that talk to this cluster.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": os.pathsep.join([str(folder / "bin"), os.environ["PATH"], SBIN]),
        }

    def start(self) -> None:
        """Write the configuration, start the daemons, wait until both nodes are idle."""
        user = pwd.getpwuid(os.getuid()).pw_name
        host = socket.gethostname().partition(".")[0]
        lines = [CONFIGURATION.format(host=host, user=user, folder=self.folder, port=_free_port())]
        for node in NODES:
            (self.folder / f"spool.{node}").mkdir()
            address = f"NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()}"
            lines.append(f"NodeName={node} {address} CPUs={CPUS} RealMemory=64000\n")
        (self.folder / "state").mkdir()
        (self.folder / "slurm.conf").write_text("".join(lines), encoding="utf-8")
        self._wrap_srun()
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        places = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        options = [f"--{option}={self.folder}/munge.{ending}" for option, ending in places.items()]
        self._run("munged", "--force", *options)
        self._run("slurmctld")
        for node in NODES:
            self.start_node(node)
        self.wait_for(lambda: self.ask("sinfo", "-h", "-t", "idle", "-o", "%D") == str(len(NODES)), "two idle nodes")

    def start_node(self, node: str) -> None:
        """Start a node's daemon."""
        self._run("slurmd", "-N", node)

    def kill_node(self, node: str) -> None:
        """Kill a node's daemon and everything that it started, as when a machine loses power."""
        daemon = int((self.folder / f"slurmd.{node}.pid").read_text(encoding="utf-8"))
        jobs = self.ask("squeue", "-h", "-w", node, "-o", "%i").split()
        started = tuple(f"slurmstepd: [{job}." for job in jobs)
        steps = [pid for pid in _pids() if started and _command(pid).startswith(started)]
        for pid in (daemon, *steps, *(pid for step in steps for pid in _descendants(step))):
            _signal(pid, signal.SIGKILL)

    def stop(self) -> None:
        """Cancel all jobs and end the daemons."""
        self.ask("scancel", "--user", pwd.getpwuid(os.getuid()).pw_name)
        daemons = [int(path.read_text(encoding="utf-8")) for path in self.folder.glob("*.pid")]
        for pid in daemons:
            _signal(pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while any(_command(pid) for pid in daemons) and time.monotonic() < deadline:
            time.sleep(0.1)
        for pid in daemons:
            _signal(pid, signal.SIGKILL)

    def jobs(self, *states: str) -> dict[str, str]:
        """What each job is for, by its number: rule and wildcards, as the executor says in the comment."""
        wanted = ["--states", ",".join(states or ("all",))]
        lines = self.ask("squeue", "-h", *wanted, "-o", "%i %k").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def ask(self, *command: str) -> str:
        """Output of a SLURM command."""
        return subprocess.run(command, env=self.environment, capture_output=True, encoding="utf-8").stdout.strip()

    def wait_for(self, condition, what: str, seconds: float = 60):
        """Wait for something to become true, and return it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.2)
        logs = "\n".join(path.read_text(encoding="utf-8")[-1500:] for path in sorted(self.folder.glob("*.log")))
        pytest.fail(f"waited {seconds:.0f} s for {what}\n{self.ask('squeue', '--states', 'all')}\n{logs}")

    def _run(self, daemon: str, *arguments: str) -> None:
        done = subprocess.run(
            [f"{SBIN}/{daemon}", *arguments], env=self.environment, capture_output=True, encoding="utf-8"
        )
        if done.returncode:
            pytest.fail(f"{daemon} does not start: {done.stdout}{done.stderr}")

    def _wrap_srun(self) -> None:
        """Inside a job the executor drops SLURM_* from the environment, this configuration's place included."""
        (self.folder / "bin").mkdir()
        wrapper = self.folder / "bin" / "srun"
        wrapper.write_text(
            f'#!/bin/sh\nSLURM_CONF="{self.folder}/slurm.conf" exec {shutil.which("srun")} "$@"\n', encoding="utf-8"
        )
        wrapper.chmod(0o755)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster, or a skip that says what is missing."""
    absent = [name for name in DAEMONS if not Path(SBIN, name).exists()]
    if absent or shutil.which("squeue") is None:
        missing("slurm", f"no {', '.join(absent) or 'squeue'} here (Debian: apt-get install slurm-wlm munge)")
    # short, for a socket's path may have 107 characters only, and enterable, for munge asks for that
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        os.chmod(folder, 0o755)
        started = Cluster(Path(folder))
        try:
            started.start()
            yield started
        finally:
            started.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _descendants(pid: int) -> list[int]:
    try:
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except OSError:
        return []
    return [*children, *(below for child in children for below in _descendants(child))]


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
