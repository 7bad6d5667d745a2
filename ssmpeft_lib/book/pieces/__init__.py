"""Generated pieces of hand-written pages, one file each: `myst(book, page, *arguments)` returns MyST text.

A page asks for a piece with a fence, and what stands in the fence is shown where there is nothing to show:

    ```{generated} counts
    Nothing was run yet.
    ```
"""
