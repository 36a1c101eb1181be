"""Tries whether it works."""


def works() -> str:
    """What was tried."""
    return "a toy was built"
