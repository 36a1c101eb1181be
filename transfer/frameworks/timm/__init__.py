"""timm: a whole network's weights, and a Python file that builds it."""
