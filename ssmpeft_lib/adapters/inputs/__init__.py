"""What a method learns to put in front of a mixer: states, columns and prefixes, and soft prompts."""
