"""The kernels of state space models: scans, convolutions and their single steps, on the fastest backend at hand.

`backends()` lists what can run here and why not; the logger `ssmpeft_lib.ops` says at level info what each op chose.
On a CPU that is C++, compiled on first use where there is a compiler. `SSMPEFT_BACKEND` forces a backend, `CXX` names
the compiler and `SSMPEFT_CACHE_DIR` the folder for what it makes. Its results are the same bits on any number of
threads.

Each op has a folder: `__init__.py` checks what a caller hands over and has the table of the op's backends; each other
file is one of them, `naive` the reference that the tests compare the rest with. Another backend of an op is a file in
its folder and a line of its table, with the parameters of `naive`. A new kind of backend is also a file in
`_backends/`, which says where it runs, and a word of `PREFERENCE` in _dispatch.py.
"""

from ssmpeft_lib.ops._dispatch import backends
from ssmpeft_lib.ops.conv import causal_conv1d
from ssmpeft_lib.ops.linear import Linear, linear
from ssmpeft_lib.ops.s4d import discretize, fft_conv, s4d_kernel, s4d_step
from ssmpeft_lib.ops.selective_scan import selective_scan
from ssmpeft_lib.ops.ssd import ssd_scan
from ssmpeft_lib.ops.step import causal_conv1d_step, selective_state_step, ssd_state_step

__all__ = [
    "Linear",
    "backends",
    "causal_conv1d",
    "causal_conv1d_step",
    "discretize",
    "fft_conv",
    "linear",
    "s4d_kernel",
    "s4d_step",
    "selective_scan",
    "selective_state_step",
    "ssd_scan",
    "ssd_state_step",
]
