"""One cell's run from opening to its report, and the searches of learning rates that try several at once."""
