"""Does it work here?"""


def works() -> str:
    """What was tried."""
    return "a toy was built"
