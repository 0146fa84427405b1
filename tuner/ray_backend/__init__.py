"""The only package that knows Ray: how it is started, the trainable, the scheduler and the searcher."""
