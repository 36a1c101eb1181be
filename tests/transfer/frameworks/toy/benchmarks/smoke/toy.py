"""A shorter run."""

benchmark = dict(seeds=1)
steps = 3
