"""Run a command of `python -m ssmpeft_lib`, or a Jupyter kernel, in a fork of the warm server, or plainly without one.

    python -S -E client.py COMMAND ARGUMENTS...
    python -S -E client.py --kernel CONNECTION_FILE

Standard library only, for this file's start is what every cell waits for. SSMPEFT_WARM=0 turns the server off.
"""

import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys

# a program and no module, so that its start imports no package: its folder is the first place that is looked in
from identity import PACKAGE, socket_path

START_SECONDS = 120
"""How long the first client waits for the server's imports."""


def connect() -> socket.socket:
    """A connection to the server of this environment, started first where there is none.

    Raises:
        OSError: there is no server and none can be started; says why.
    """
    path = socket_path()
    connection = _try(path)
    if connection is not None:
        return connection
    with open(path + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # another client may have started it meanwhile
        connection = _try(path) or (_try(path) if start_server(path) else None)
    if connection is None:
        raise OSError(f"the warm server did not start; see {path}.log")
    return connection


def start_server(path: str) -> bool:
    """Start the server as a daemon and wait until it listens; it says so by writing into a pipe."""
    read_end, write_end = os.pipe()
    with open(path + ".log", "w", encoding="utf-8") as log:
        subprocess.Popen(
            [sys.executable, "-m", "ssmpeft_lib.execute.forkserver.server", path, str(write_end)],
            cwd="/",
            env={**os.environ, "PYTHONPATH": os.path.dirname(PACKAGE)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[write_end],
        ).wait()
    os.close(write_end)
    try:
        return bool(select.select([read_end], [], [], START_SECONDS)[0]) and os.read(read_end, 1) == b"1"
    finally:
        os.close(read_end)


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
    """Have the server run a command with this process's standard streams, wait, and return the exit status."""
    request = {"arguments": arguments, "cwd": os.getcwd(), "environment": dict(os.environ)}
    socket.send_fds(connection, [b"\0"], [0, 1, 2])
    connection.sendall(json.dumps(request).encode() + b"\n")
    replies = connection.makefile("r")
    _pass_signals_to(int(replies.readline()))
    while not select.select([connection], [], [], 1.0)[0]:
        if not _are_alive(watched):
            # closing the connection makes the server stop the worker
            return 1
    status = replies.readline()
    return int(status) if status else 1


def run_plainly(arguments: list[str], watched: list[int]) -> int:
    """Do the same in an ordinary process, which ends when those do who asked for it."""
    paths = [os.path.dirname(PACKAGE), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    if arguments[0] == "--kernel":
        # Jupyter signals a kernel by its number, and a kernel watches its parent itself
        os.execv(sys.executable, [sys.executable, "-m", "ssmpeft_lib.execute.kernel", arguments[1]])
    child = subprocess.Popen([sys.executable, "-m", "ssmpeft_lib", *arguments])
    _pass_signals_to(child.pid)
    while True:
        try:
            status = child.wait(timeout=1.0)
            return status if status >= 0 else 128 - status
        except subprocess.TimeoutExpired:
            if not _are_alive(watched):
                child.kill()


def _are_alive(processes: list[int]) -> bool:
    return all(os.path.exists(f"/proc/{pid}") for pid in processes)


def _pass_signals_to(pid: int) -> None:
    def send(number: int, frame: object) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, send)


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
