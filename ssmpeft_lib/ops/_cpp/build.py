"""Compiles the C++ kernels for this processor, once, into a cache directory.

The shared object's name is a hash of the sources, the compiler and its flags, so that a new version of any of them is
compiled anew and several can live side by side. Its SHA-256 lies beside it, and one that is damaged is compiled anew
and never loaded. It is built under a lock and put in place by a rename: any number of processes may ask for it at once.
The directory is `$SSMPEFT_CACHE_DIR`, or else `ssmpeft` in `$XDG_CACHE_HOME` or in
`~/.cache`.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import platform
import shlex
import shutil
import subprocess
from functools import cache
from pathlib import Path

import torch
from filelock import FileLock

from ...plan.atomic import remove, replacing, write_text
from ...plan.manifest import sha256

logger = logging.getLogger("ssmpeft_lib.ops")

SOURCES = ("scan.cpp", "conv.cpp", "decoding.cpp", "linear.cpp")
HEADERS = ("vector.h", "tiles.h", "scan.h")
FOLDER = Path(__file__).parent

COMPILERS = ("c++", "g++", "clang++")
"""Commands that are looked for, in this order, where `$CXX` names none."""

# -fno-math-errno lets square roots and the like be inlined; nothing here changes how floats behave. OpenMP's symbols
# come from the library that torch has loaded.
OPENMP = "-fopenmp"
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-shared", OPENMP, "-fno-math-errno", "-w")

TARGETS = {"AVX512": "x86-64-v4", "AVX2": "x86-64-v3"}
"""Instructions to compile for, by the processor's ability as torch names it; else the compiler's default."""


VECTOR_BYTES = {"avx512": 64, "avx2": 32, "baseline": 16}
"""Width of the vectors that `vector.h` uses on each target."""


class BuildError(RuntimeError):
    """The kernels cannot be compiled or loaded here; the message says why and what to do."""


def cache_dir() -> Path:
    """Return the folder in which compiled kernels are kept."""
    override = os.environ.get("SSMPEFT_CACHE_DIR")
    return Path(override) if override else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ssmpeft"


@cache
def target() -> str:
    """The instruction set to compile for: avx512, avx2, or baseline; torch's `ATEN_CPU_CAPABILITY` can lower it."""
    capability = torch.backends.cpu.get_cpu_capability()
    return capability.lower() if capability in TARGETS else "baseline"


@cache
def library() -> ctypes.CDLL:
    """The kernels for this processor, compiled if they are not in the cache.

    Raises:
        BuildError: there is no compiler, or compiling, writing or loading failed.
    """
    path = compiled(target())
    try:
        loaded = ctypes.CDLL(str(path))
    except OSError as error:
        raise BuildError(f"cannot load {path}: {error}; delete it to have it compiled anew") from error
    logger.info("C++ kernels for %s loaded from %s", target(), path)
    return loaded


def compiled(name: str) -> Path:
    """Path of the shared object for the instruction set `name`, compiled if need be."""
    command = [*compiler(), *FLAGS]
    march = {ability.lower(): value for ability, value in TARGETS.items()}.get(name)
    if march:
        command.append(f"-march={march}")
    path = cache_dir() / f"kernels-{name}-{_key(command)}.so"
    if _intact(path):
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not _intact(path):
                _compile(command, path)
    except OSError as error:
        raise BuildError(
            f"cannot write the C++ kernels to {path.parent}: {error}; set SSMPEFT_CACHE_DIR to a folder that can be"
            " written"
        ) from error
    return path


def compiler() -> list[str]:
    """The C++ compiler's command: `$CXX`, or the first of `COMPILERS` that is there."""
    named = os.environ.get("CXX")
    candidates = [shlex.split(named)] if named else [[name] for name in COMPILERS]
    for command in candidates:
        if shutil.which(command[0]):
            return command
    looked_for = f"$CXX = {named!r}" if named else ", ".join(COMPILERS)
    raise BuildError(f"no C++ compiler (looked for {looked_for}); install g++ or clang++, or set CXX")


def _key(command: list[str]) -> str:
    """Hash of everything that the shared object depends on."""
    version = subprocess.run([command[0], "--version"], capture_output=True, check=False).stdout
    parts = [platform.machine().encode(), " ".join(command).encode(), version]
    parts += [(FOLDER / name).read_bytes() for name in (*HEADERS, *SOURCES)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _compile(command: list[str], path: Path) -> None:
    """Compile the sources into `path`; where the compiler has no OpenMP, without it, for one thread."""
    # at level warning, which is shown where nobody has set up logging: the first forward stands still meanwhile
    logger.warning(
        "compiling the C++ kernels for this processor into %s; this takes ten seconds to two minutes, once", path
    )
    sources = [str(FOLDER / name) for name in SOURCES]
    if path.exists():
        logger.warning("%s is damaged; it is compiled anew", path)
        remove(path)
    with replacing(path) as draft:
        for attempt in (command, [flag for flag in command if flag != OPENMP]):
            build = [*attempt, "-o", str(draft), *sources]
            result = subprocess.run(build, capture_output=True, encoding="utf-8", errors="replace", check=False)
            if not result.returncode:
                write_text(_digest_file(path), sha256(draft))
                return
        raise BuildError(f"{' '.join(attempt)} failed: {result.stderr.strip()[:1000]}")


def _intact(path: Path) -> bool:
    """Whether a shared object is the one that was compiled: a damaged one ends the process that loads it."""
    try:
        return _digest_file(path).read_text(encoding="utf-8") == sha256(path)
    except (OSError, UnicodeDecodeError):
        return False


def _digest_file(path: Path) -> Path:
    return path.with_suffix(".sha256")
