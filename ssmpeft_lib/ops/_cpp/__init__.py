"""The C++ kernels: their sources, compiled for this processor on first use, and how arguments get into them."""
