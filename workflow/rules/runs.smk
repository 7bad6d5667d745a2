# What computes; where only existing results are shown (`cells: existing`), nothing is run.
if plan.config.run_cells:

    include: "search.smk"
    include: "cells.smk"
