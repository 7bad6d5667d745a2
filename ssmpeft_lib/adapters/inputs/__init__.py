"""What a method learns beside the weights: states, columns, prefixes and soft prompts in front, and offsets behind."""
