"""One file per format: each turns the bytes of a file into a table."""
