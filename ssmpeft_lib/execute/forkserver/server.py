"""The warm server: imports what every cell needs, then forks for each request. It computes nothing itself.

CUDA is never initialised here, so that each fork may do so. The server ends when nothing was asked of it for a while.
"""

from __future__ import annotations

import array
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress

from ...plan.registry import files

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""

IDLE_SECONDS = float(os.environ.get("SSMPEFT_WARM_IDLE", "120"))

MODULES = (
    "torch._dynamo",
    "transformers.models.auto.modeling_auto",
    "transformers.models.mamba.modeling_mamba",
    "transformers.models.mamba2.modeling_mamba2",
    "transformers.models.jamba.modeling_jamba",
    "ssmpeft_lib.runs.open",
    "ssmpeft_lib.runs.notebook_report",
    "ssmpeft_lib.commands.pipeline.run_cell",
    "ssmpeft_lib.execute.kernel_client",
    "papermill",
    "black",
    "jupyter_client",
    "ipykernel.kernelapp",
    "ipykernel.debugger",
    "IPython",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_svg",
    "matplotlib_inline.backend_inline",
    "nltk.translate.meteor_score",
    "nltk.tokenize",
    "safetensors.torch",
)
"""What is imported ahead. A module that is not installed is left to the command that needs it."""


OURS = ("data", "layers", "methods", "metrics", "mixers", "models", "training")
"""Folders of the library of which every module is imported ahead."""


def preload() -> None:
    """Import what every cell needs, and every data set, method and metric."""
    ours = [f"ssmpeft_lib.{folder}.{name}" for folder in OURS for name in files(folder)]
    for module in (*MODULES, *ours):
        with suppress(ImportError):
            importlib.import_module(module)
    try:
        from transformers.conversion_mapping import get_checkpoint_conversion_mapping

        # compiles a thousand regular expressions at the first call
        get_checkpoint_conversion_mapping("mamba")
    except (ImportError, TypeError):
        pass
    try:
        import nbformat

        # compiles the schema of notebooks
        nbformat.validate(nbformat.v4.new_notebook())
    except ImportError:
        pass


def serve(path: str, tell: int) -> None:
    """Listen on a Unix socket until idle; `tell` is a pipe to write into when listening."""
    # the client that started the server must not be its parent: it ends long before
    if os.fork():
        os._exit(0)
    preload()
    # else a fork that looks for garbage writes to every page of what was imported, and so copies it
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.path.exists(path):
        os.unlink(path)
    listener.bind(path)
    listener.listen(128)
    os.write(tell, b"1")
    os.close(tell)
    keepers: set[int] = set()
    last = time.monotonic()
    while keepers or time.monotonic() - last < IDLE_SECONDS:
        if select.select([listener], [], [], 1.0)[0]:
            connection, _ = listener.accept()
            keeper = os.fork()
            if keeper == 0:
                listener.close()
                _exit_with(lambda connection=connection: keep(connection))
            connection.close()
            keepers.add(keeper)
        keepers = {pid for pid in keepers if os.waitpid(pid, os.WNOHANG)[0] == 0}
        if keepers:
            last = time.monotonic()
        if not os.path.exists(path):
            break
    if os.path.exists(path):
        os.unlink(path)


def keep(connection: socket.socket) -> int:
    """Fork the one who does the work, report its end to the client, and stop it when the client is gone."""
    request, streams = _receive(connection)
    worker = os.fork()
    if worker == 0:
        connection.close()
        _exit_with(lambda: work(request, streams))
    for stream in streams:
        os.close(stream)
    connection.sendall(f"{worker}\n".encode())
    while True:
        readable, _, _ = select.select([connection], [], [], 0.02)
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            try:
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            except OSError:
                pass
            return 0
        if readable and not connection.recv(1):
            _stop(worker)
            return 0


def work(request: dict, streams: list[int]) -> int:
    """Become the process that was asked for: its streams, folder and environment, then its command."""
    os.setsid()
    _end_with_parent()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    arguments = request["arguments"]
    if arguments[0] == "--kernel":
        from ipykernel.kernelapp import IPKernelApp

        sys.argv = ["ipykernel_launcher", "-f", arguments[1]]
        # the parent of a forked kernel is its keeper, who stops it when the client goes away
        IPKernelApp.launch_instance(argv=["-f", arguments[1]], parent_handle=os.getppid(), log_level="ERROR")
        return 0
    from ...__main__ import main

    return main(arguments)


def _end_with_parent() -> None:
    """Have the kernel end this process when its keeper is killed, who could not stop it any more."""
    keeper = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if keeper == 1 or os.getppid() != keeper:
        os._exit(1)


def _receive(connection: socket.socket) -> tuple[dict, list[int]]:
    streams = array.array("i")
    size, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * streams.itemsize))
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            streams.frombytes(data[: len(data) - len(data) % streams.itemsize])
    length, body = int.from_bytes(size, "big"), b""
    while len(body) < length:
        part = connection.recv(length - len(body))
        if not part:
            raise ConnectionError("the client went away while asking")
        body += part
    return json.loads(body), list(streams)


def _stop(worker: int) -> None:
    """End a worker and what it started: asked first, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(worker, number)
        except ProcessLookupError:
            return
        for _ in range(100):
            if os.waitpid(worker, os.WNOHANG)[0]:
                return
            time.sleep(0.02)


def _exit_with(action) -> None:
    """Run in a fork: never return into the server's loop, flush, and leave with a status."""
    status = 1
    try:
        status = action() or 0
    except SystemExit as exit_:
        status = exit_.code if isinstance(exit_.code, int) else 0 if exit_.code is None else 1
    except BaseException:  # noqa: BLE001 - the fork must end here whatever happened
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
