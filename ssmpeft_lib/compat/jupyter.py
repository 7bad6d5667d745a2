"""What is replaced of jupyter_client: how long a client waits until it takes a kernel for ready.

Only documented methods are overridden; `execute/notebook.py` hands the manager to papermill.
"""

from __future__ import annotations

import time
from queue import Empty

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager
from traitlets import DottedObjectName, Type

SILENCE_SECONDS = 0.05
"""How long an answered kernel may be silent on the channel of its outputs, before it is asked again."""


class PromptClient(AsyncKernelClient):
    """A client that takes a kernel for ready when it is idle again after the first question.

    The base class waits besides until a fifth of a second has passed without a message, and then adapts to kernels of
    another version of the protocol; the kernels here are ipykernel's of the same environment.
    """

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Return when the kernel has answered and its outputs are heard.

        Raises:
            RuntimeError: the kernel died, or did not answer within `timeout` seconds.
        """
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while True:
            question = self.kernel_info()
            try:
                await self.get_shell_msg(timeout=1)
                await self._until_idle(question)
            except Empty:
                if not await self.is_alive():
                    raise RuntimeError("the kernel died before it answered") from None
                if time.monotonic() > end:
                    raise RuntimeError(f"the kernel did not answer within {timeout} seconds") from None
            else:
                return

    async def _until_idle(self, question: str) -> None:
        message: dict = {}
        while message.get("parent_header", {}).get("msg_id") != question or (
            message["content"].get("execution_state") != "idle"
        ):
            message = await self.get_iopub_msg(timeout=SILENCE_SECONDS)


class PromptManager(AsyncKernelManager):
    """Starts kernels as Jupyter's own manager does, for a `PromptClient`."""

    client_class = DottedObjectName(f"{__name__}.PromptClient")
    client_factory = Type(PromptClient)
