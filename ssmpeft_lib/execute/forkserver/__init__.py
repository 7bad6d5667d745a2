"""Kernels and commands that start warm: one server a machine imports torch and transformers, and forks for each."""
