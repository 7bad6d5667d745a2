"""The kernels of state space models: scans, convolutions and their single steps, on the fastest backend at hand."""

from ssmpeft_lib.ops.causal_conv1d import causal_conv1d
from ssmpeft_lib.ops.decoding import causal_conv1d_step, s4d_step, selective_state_step, ssd_state_step
from ssmpeft_lib.ops.dispatch import backends
from ssmpeft_lib.ops.s4d import discretize, fft_conv, s4d_kernel
from ssmpeft_lib.ops.selective_scan import selective_scan
from ssmpeft_lib.ops.ssd import ssd_scan

__all__ = [
    "backends",
    "causal_conv1d",
    "causal_conv1d_step",
    "discretize",
    "fft_conv",
    "s4d_kernel",
    "s4d_step",
    "selective_scan",
    "selective_state_step",
    "ssd_scan",
    "ssd_state_step",
]
