"""A small made-up world, in every layout that this project reads."""

from distill.demo.world import DemoSpec, write_demo

__all__ = ["DemoSpec", "write_demo"]
