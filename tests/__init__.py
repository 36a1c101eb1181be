"""A package, because other packages install a folder `tests` that would be found first."""
