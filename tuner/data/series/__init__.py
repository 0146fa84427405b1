"""Series of numbers: how tables hold them, and how they become arrays."""
