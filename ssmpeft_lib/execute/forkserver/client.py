"""Run a command of `python -m ssmpeft_lib`, or a Jupyter kernel, in a fork of the warm server, or plainly without one.

    python -S -E client.py COMMAND ARGUMENTS...
    python -S -E client.py --kernel CONNECTION_FILE

Standard library only, for this file's start is what every cell waits for. SSMPEFT_WARM=0 turns the server off.
"""

import array
import fcntl
import hashlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile

PACKAGE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
START_SECONDS = 120
"""How long the first client waits for the server's imports."""

LONGEST_SOCKET = 107
"""Bytes of a Unix socket's path."""

KEYED = (
    "CUDA_VISIBLE_DEVICES",
    "SLURM_JOB_ID",
    "OMP_",
    "MKL_",
    "MALLOC_",
    "LD_PRELOAD",
    "HF_",
    "NLTK_DATA",
    "TRITON_",
    "SSMPEFT_",
)
"""Beginnings of the variables that are fixed when the server starts: another value means another server."""


def server_key() -> str:
    """Digest of everything a server cannot change later: interpreter, installed packages, our code, environment."""
    parts = [sys.executable, PACKAGE]
    # a virtual environment is where its link to the interpreter lies
    homes = {os.path.dirname(os.path.dirname(path)) for path in (sys.executable, os.path.realpath(sys.executable))}
    for folder in sorted(homes):
        for site in (f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages", "pyvenv.cfg"):
            path = os.path.join(folder, site)
            parts.append(f"{path}:{os.stat(path).st_mtime_ns}" if os.path.exists(path) else "")
    for folder, _, names in sorted(os.walk(PACKAGE)):
        for name in sorted(names):
            if name.endswith((".py", ".cpp")):
                status = os.stat(os.path.join(folder, name))
                parts.append(f"{folder}/{name}:{status.st_size}:{status.st_mtime_ns}")
    parts += sorted(f"{key}={value}" for key, value in os.environ.items() if key.startswith(KEYED))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def socket_folder() -> str:
    """Private folder of this user's sockets; short, for a socket's path may have 107 characters only."""
    folder = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), f"ssmpeft-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    status = os.stat(folder)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise OSError(f"{folder} is not private to this user")
    return folder


def connect() -> socket.socket:
    """A connection to the server of this environment, started first where there is none."""
    path = os.path.join(socket_folder(), server_key())
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise OSError(f"a socket's path may have {LONGEST_SOCKET} bytes, {path} is longer; set XDG_RUNTIME_DIR")
    connection = _try(path)
    if connection is not None:
        return connection
    with open(path + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection = _try(path)
        if connection is not None:
            return connection
        if not start_server(path):
            raise OSError(f"the warm server did not start; see {path}.log")
        connection = _try(path)
        if connection is None:
            raise OSError(f"the warm server went away at once; see {path}.log")
        return connection


def start_server(path: str) -> bool:
    """Start the server as a daemon and wait until it listens; it says so by writing into a pipe."""
    told, tell = os.pipe()
    with open(path + ".log", "w", encoding="utf-8") as log:
        subprocess.Popen(
            [sys.executable, "-m", "ssmpeft_lib.execute.forkserver.server", path, str(tell)],
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.path.dirname(PACKAGE)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[tell],
        ).wait()
    os.close(tell)
    try:
        return bool(select.select([told], [], [], START_SECONDS)[0]) and os.read(told, 1) == b"1"
    finally:
        os.close(told)


def _try(path: str) -> "socket.socket | None":
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
        return connection
    except OSError:
        connection.close()
        return None


def ancestors(arguments: list[str]) -> list[int]:
    """Processes whose end must end this one: the parent, and those above it up to the nearest snakemake.

    A kernel's parent is the fork that runs the notebook; above it is the server, which serves others as well.
    """
    if arguments[0] == "--kernel":
        return [os.getppid()]
    chain, pid = [], os.getppid()
    while pid > 1:
        chain.append(pid)
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                # a word of its own: a shell's command may well lie in a folder of that name
                if any(os.path.basename(word) == b"snakemake" for word in file.read().split(b"\0")):
                    return chain
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            break
    return chain[:1]


def run(connection: socket.socket, arguments: list[str], watched: list[int]) -> int:
    """Hand over the request with this process's standard streams, wait, and return the exit status."""
    request = {"arguments": arguments, "cwd": os.getcwd(), "environment": dict(os.environ)}
    streams = array.array("i", [0, 1, 2])
    body = json.dumps(request).encode()
    connection.sendmsg([len(body).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    connection.sendall(body)
    replies = connection.makefile("r")
    child = int(replies.readline())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: _send(child, received))
    while not select.select([connection], [], [], 1.0)[0]:
        if not all(os.path.exists(f"/proc/{pid}") for pid in watched):
            # closing the connection makes the server stop the child
            return 1
    status = replies.readline()
    return int(status) if status else 1


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def run_plainly(arguments: list[str], watched: list[int]) -> int:
    """Do the same in an ordinary process, which ends when those do who asked for it."""
    paths = [os.path.dirname(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    if arguments[0] == "--kernel":
        # Jupyter signals a kernel by its number, and a kernel watches its parent itself
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", "-f", arguments[1]])
    child = subprocess.Popen([sys.executable, "-m", "ssmpeft_lib", *arguments])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _: _send(child.pid, received))
    while True:
        try:
            status = child.wait(timeout=1.0)
            return status if status >= 0 else 128 - status
        except subprocess.TimeoutExpired:
            if not all(os.path.exists(f"/proc/{pid}") for pid in watched):
                child.kill()


def main() -> int:
    """Run the command given, warm where possible."""
    arguments = sys.argv[1:]
    if not arguments:
        sys.exit(__doc__)
    # before anything else: they may end while the server starts, and others would be found then
    watched = ancestors(arguments)
    if os.environ.get("SSMPEFT_WARM", "1") != "0":
        try:
            connection = connect()
        except OSError as error:
            print(f"starting plainly: {error}", file=sys.stderr)
        else:
            return run(connection, arguments, watched)
    return run_plainly(arguments, watched)


if __name__ == "__main__":
    sys.exit(main())
