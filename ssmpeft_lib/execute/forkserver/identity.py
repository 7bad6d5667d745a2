"""Where the warm server of an environment listens: another interpreter, package, code or setting is another server.

Standard library only, as `client` imports it before anything else is there.
"""

import hashlib
import os
import sys
import tempfile

PACKAGE = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))

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
    parts = [sys.executable, PACKAGE, *_installed(), *_sources()]
    parts += sorted(f"{key}={value}" for key, value in os.environ.items() if key.startswith(KEYED))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def socket_path() -> str:
    """The socket of this environment's server, in a folder that only this user can open.

    Raises:
        OSError: there is no place for one; says why.
    """
    folder = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir(), f"ssmpeft-{os.getuid()}")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    status = os.stat(folder)
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise OSError(f"{folder} is not private to this user")
    path = os.path.join(folder, server_key())
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        raise OSError(f"a socket's path may have {LONGEST_SOCKET} bytes, {path} is longer; set XDG_RUNTIME_DIR")
    return path


def _installed() -> "list[str]":
    """When packages were last installed. A virtual environment is where its link to the interpreter lies."""
    homes = {os.path.dirname(os.path.dirname(path)) for path in (sys.executable, os.path.realpath(sys.executable))}
    found = []
    for folder in sorted(homes):
        for site in (f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages", "pyvenv.cfg"):
            path = os.path.join(folder, site)
            found.append(f"{path}:{os.stat(path).st_mtime_ns}" if os.path.exists(path) else "")
    return found


def _sources() -> "list[str]":
    """Sizes and times of the library's files."""
    found = []
    for folder, _, names in sorted(os.walk(PACKAGE)):
        for name in sorted(names):
            if name.endswith((".py", ".cpp")):
                status = os.stat(os.path.join(folder, name))
                found.append(f"{folder}/{name}:{status.st_size}:{status.st_mtime_ns}")
    return found
