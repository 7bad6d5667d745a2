"""The metrics for the library `evaluate`: `evaluate.load("<this folder>/bleu.py")` works without a network.

`evaluate` copies such a file elsewhere and reads its imports line by line; so each has one absolute import, and the
class itself is the only one in it. They are apart from the metrics because importing `evaluate` takes seconds.
"""
