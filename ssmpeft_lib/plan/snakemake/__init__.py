"""What the Snakefile asks of the plan: files and functions of its rules, resources, failures, and patches."""
