"""What is relied on inside other libraries, one file a library."""
