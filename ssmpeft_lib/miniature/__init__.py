"""What the quick scale runs on: generated miniatures of every data set, one file each.

A miniature is written in its original's file format and read by the loader of the real files. It is synthetic, made
to be learnable by a model of two layers, and says nothing about the paper's numbers. `write_miniature` of a data set's
file (ssmpeft_lib/data/) calls `write(name, folder, seed)` here, or writes a small one itself.
"""
