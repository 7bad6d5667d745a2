"""The process in which a notebook runs: ipykernel's, with a log that can be followed while a cell computes.

python -m ssmpeft_lib.execute.kernel CONNECTION_FILE
"""

from __future__ import annotations

import logging
import os
import sys


def run_kernel(connection_file: str, parent: int | None = None) -> None:
    """Be a kernel until Jupyter ends it.

    What the library logs goes where this process's standard error went at its start, which is the log of the command
    that runs the notebook; what a notebook writes to its own standard error is an output of the notebook.

    Args:
        connection_file: Jupyter's.
        parent: process with which the kernel ends; by default the one that Jupyter names.
    """
    from ipykernel.kernelapp import IPKernelApp

    # a copy, as ipykernel redirects the descriptor itself
    handler = logging.StreamHandler(os.fdopen(os.dup(2), "w", encoding="utf-8"))
    logger = logging.getLogger("ssmpeft_lib")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    sys.argv = ["ipykernel_launcher", "-f", connection_file]
    options = {} if parent is None else {"parent_handle": parent}
    IPKernelApp.launch_instance(argv=["-f", connection_file], log_level="ERROR", **options)


if __name__ == "__main__":
    run_kernel(sys.argv[1])
