"""Labels of rows: how they may be written, and how they are read."""
