"""What is to be run: cells, exhibits, configuration, the results contract.

Everything the Snakefile imports lives here. Nothing in this package imports torch,
because Snakemake parses the Snakefile again in every job.
"""
