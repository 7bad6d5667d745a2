"""Commands that make the files in `recorded/` and the pictures of the book and the README anew."""
