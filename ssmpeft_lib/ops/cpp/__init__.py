"""The C++ backend: kernels for this processor, compiled on first use and called through ctypes."""

from ssmpeft_lib.ops.cpp.conv import causal_conv1d
from ssmpeft_lib.ops.cpp.linear import linear
from ssmpeft_lib.ops.cpp.scan import selective_scan
from ssmpeft_lib.ops.cpp.steps import causal_conv1d_step, selective_state_step, ssd_state_step

__all__ = ["causal_conv1d", "causal_conv1d_step", "linear", "selective_scan", "selective_state_step", "ssd_state_step"]
