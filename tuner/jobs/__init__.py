"""Searches as jobs of a Ray cluster, sent from a machine that runs no Ray."""
