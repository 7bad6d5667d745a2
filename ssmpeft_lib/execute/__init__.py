"""Where a notebook is executed: papermill, the kernel that it runs in, and the GPU that it has for itself."""
