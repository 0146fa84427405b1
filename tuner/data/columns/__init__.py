"""Columns of a table: which of them hold the inputs, the labels and the splits."""
