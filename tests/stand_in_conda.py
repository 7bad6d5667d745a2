#!/usr/bin/env python3
"""Answers Snakemake as conda would, and solves nothing: an environment is a venv that sees this Python's packages.

Tests with it check the wiring: that every rule has an environment, that the files parse, that commands run inside. They
do not check that conda can make the environments; a workflow with the real conda does.
"""

import json
import os
import site
import subprocess
import sys
from pathlib import Path

BASE = Path(os.environ["STAND_IN_CONDA"])


def main(arguments: list[str]) -> None:
    with open(BASE / "calls.log", "a", encoding="utf-8") as log:
        log.write(" ".join(arguments) + "\n")
    if arguments[:1] == ["--version"]:
        print("conda 24.11.3")
    elif arguments[:1] == ["info"]:
        print(json.dumps({"conda_prefix": str(BASE), "root_prefix": str(BASE), "platform": "linux-64"}))
    elif arguments[:2] == ["config", "--get"]:
        print(json.dumps({"get": {"channel_priority": "strict"}}))
    elif arguments[:2] == ["env", "create"] or arguments[:1] == ["create"]:
        create(Path(following(arguments, "--prefix", "-p")), Path(following(arguments, "--file", "-f")))
    elif arguments[:1] != ["clean"]:
        sys.exit(f"the stand-in for conda does not know: {' '.join(arguments)}")


def following(arguments: list[str], *options: str) -> str:
    return next(arguments[i + 1] for i, word in enumerate(arguments) if word in options)


def create(prefix: Path, file: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    packages = next(prefix.glob("lib/python*/site-packages"))
    (packages / "base.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    (prefix / "conda-meta").mkdir()
    (prefix / "made-of.yml").write_text(file.read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
