"""A package of its own: other packages install a folder `tests` that would be found first."""
