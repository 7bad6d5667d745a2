"""What is replaced or relied on inside other libraries, one file a library; nowhere else are their private names used.

Each file says what for, which versions were tried, and what happens in others: a name is looked at before it is used,
and where it is not what it was, a warning says so with what is done instead, or an error says what to install.
`window.py` has the versions that the library is tried with.
"""
