"""The toy framework itself, as if installed."""

__version__ = "1.0"
