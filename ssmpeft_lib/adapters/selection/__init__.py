"""Which channels and states SDT trains: the warm-up, what each dimension changed in it, and the budget."""
