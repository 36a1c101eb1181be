"""torchvision: a whole ResNet's weights, and a Python file that builds it."""
