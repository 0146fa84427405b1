"""The only package that imports Ray: it starts Ray and adapts the trial queue and the pruner to it."""
