"""Kinds of SSM mixers: where the paper's matrices live in them, and a forward that lets every adapter act."""
