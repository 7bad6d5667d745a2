"""The plots, tables and the slider of the chapters on the theory."""
