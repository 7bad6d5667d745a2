"""The warm server: imports what every cell needs, then forks for each request. It computes nothing itself.

CUDA is never initialised here, so that each fork may do so. The server ends when nothing was asked of it for a while.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import multiprocessing
import os
import signal
import socket
import socketserver
import sys
import time
from contextlib import suppress
from multiprocessing.connection import wait

from ...plan.registry import files

PR_SET_PDEATHSIG = 1
"""Of prctl(2)."""

IDLE_SECONDS = float(os.environ.get("SSMPEFT_WARM_IDLE", "120"))

STOP_SECONDS = 2.0
"""How long a worker may take to end after it was asked to."""

MODULES = (
    "torch._dynamo",
    "transformers.models.auto.modeling_auto",
    "transformers.models.mamba.modeling_mamba",
    "transformers.models.mamba2.modeling_mamba2",
    "transformers.models.jamba.modeling_jamba",
    "ssmpeft_lib.runs.open",
    "ssmpeft_lib.runs.notebook_report",
    "ssmpeft_lib.commands.pipeline.run_cell",
    "ssmpeft_lib.compat.jupyter",
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

OURS = ("data", "methods", "metrics", "mixers", "models", "training")
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


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Forks a `Supervisor` for each connection."""

    request_queue_size = 128
    max_children = sys.maxsize
    timeout = 1.0
    block_on_close = False

    def serve_until_idle(self) -> None:
        """Answer requests until there was none for a while, or the socket was taken away."""
        last = time.monotonic()
        while (self.active_children or time.monotonic() - last < IDLE_SECONDS) and os.path.exists(self.server_address):
            self.handle_request()
            # forgets supervisors that have ended
            self.service_actions()
            if self.active_children:
                last = time.monotonic()


class Supervisor(socketserver.StreamRequestHandler):
    """Starts the worker that a client asks for, tells it how the worker ended, and ends it when the client is gone."""

    def handle(self) -> None:
        """Serve one client, in a process of its own."""
        self.server.socket.close()
        _, streams, _, _ = socket.recv_fds(self.connection, 1, 3)
        request = json.loads(self.rfile.readline())
        worker = multiprocessing.get_context("fork").Process(target=become_worker, args=(request, streams))
        worker.start()
        for stream in streams:
            os.close(stream)
        self._reply(worker.pid)
        while worker.is_alive():
            # the client says nothing more: what comes from it is its end
            if self.connection in wait([self.connection, worker.sentinel], timeout=1.0):
                _stop(worker)
                return
        self._reply(worker.exitcode)

    def _reply(self, number: int) -> None:
        with suppress(OSError):
            self.connection.sendall(f"{number}\n".encode())


def become_worker(request: dict, streams: list[int]) -> None:
    """Be the process that was asked for: its streams, folder and environment, then its command."""
    os.setsid()
    _end_with_parent()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    # those of the server remember that they are files, which can be sought in, as a pipe cannot
    sys.stdout, sys.stderr = (
        open(number, "w", encoding=known.encoding, buffering=1, closefd=False)
        for number, known in ((1, sys.stdout), (2, sys.stderr))
    )
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    arguments = request["arguments"]
    if arguments[0] == "--kernel":
        from ..kernel import run_kernel

        # the parent of a forked kernel is its supervisor, who stops it when the client goes away
        run_kernel(arguments[1], parent=os.getppid())
        return
    from ...__main__ import main

    sys.exit(main(arguments))


def _end_with_parent() -> None:
    """Have the system end this process when its supervisor is killed, who could not stop it any more."""
    supervisor = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if supervisor == 1 or os.getppid() != supervisor:
        os._exit(1)


def _stop(worker: multiprocessing.process.BaseProcess) -> None:
    """End a worker and what it started: asked first, then killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, number)
        worker.join(STOP_SECONDS)
        if not worker.is_alive():
            return


def main(path: str, ready: int) -> None:
    """Import ahead, then listen on a Unix socket; `ready` is a pipe to write into when listening."""
    # the client that started the server must not be its parent: it ends long before
    if os.fork():
        os._exit(0)
    preload()
    # else a fork that looks for garbage writes to every page of what was imported, and so copies it
    gc.collect()
    gc.freeze()
    with suppress(FileNotFoundError):
        os.unlink(path)
    with Server(path, Supervisor) as server:
        os.write(ready, b"1")
        os.close(ready)
        server.serve_until_idle()
    with suppress(FileNotFoundError):
        os.unlink(path)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
