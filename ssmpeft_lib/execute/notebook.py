"""Execute a notebook with papermill, in a kernel that starts warm where it can."""

from __future__ import annotations

import os
import time
from pathlib import Path

KERNELS = Path(__file__).resolve().parent / "forkserver" / "jupyter"


def execute(notebook: Path, output: Path, parameters: dict, hours: float | None = None) -> dict[str, str] | None:
    """Run a notebook, keeping its outputs up to the cell that failed.

    Args:
        notebook: as .ipynb.
        output: the executed notebook.
        parameters: values for its cell tagged `parameters`.
        hours: after which it is stopped; None: it may take as long as it takes.
    Returns:
        `type` and `message` of the error of the cell that failed, or None.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    from ..compat.jupyter import PromptManager

    seconds = 0 if hours is None else max(1, round(hours * 3600))
    end = time.monotonic() + seconds
    os.environ["JUPYTER_PATH"] = os.pathsep.join([str(KERNELS), *filter(None, [os.environ.get("JUPYTER_PATH")])])
    try:
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters,
            kernel_name="ssmpeft",
            kernel_manager_class=PromptManager,
            progress_bar=False,
            log_output=False,
            # it has answered all that it was asked, so nobody waits for it to end by itself
            shutdown_kernel="immediate",
            # what is left for each of its cells
            timeout_func=(lambda cell: max(1, round(end - time.monotonic()))) if seconds else None,
            cwd=os.getcwd(),
        )
    except papermill.exceptions.PapermillExecutionError as error:
        return {"type": error.ename, "message": error.evalue}
    except CellTimeoutError:
        message = f"stopped after {seconds} s, the time that cell_hours of config.yaml gives"
        return {"type": "TimedOut", "message": message}
    except DeadKernelError:
        return {"type": "DeadKernelError", "message": "the kernel died; out of memory, or killed"}
    return None
