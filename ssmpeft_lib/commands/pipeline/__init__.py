"""Commands that the rules of the workflow call, one a rule."""
