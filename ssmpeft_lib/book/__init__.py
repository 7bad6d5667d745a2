"""The Jupyter Book: its pages, the pieces that they are made of, and the commands that build it."""
