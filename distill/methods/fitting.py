"""Rules by which settings follow the size of the data set.

A rule takes the published value and the number of images, and gives the value to use and why, or None for a
setting that has no published value. ``Method.fitted`` names the settings and their rules.
"""

from collections.abc import Callable

Rule = Callable[[int, int], tuple[int, str | None]]


def at_most_images(value: int, images: int) -> tuple[int, str]:
    """For what takes one place an image."""
    return min(value, images), "as long as the data set"


def number_of_images(value: int | None, images: int) -> tuple[int, None]:
    """For what is the number of images."""
    return images, None


def images_each(share: int) -> Rule:
    """For clusters, of which each needs ``share`` images; two at least."""

    def rule(value: int, images: int) -> tuple[int, str]:
        return min(value, max(2, images // share)), f"{share} images a cluster"

    return rule


# of 1.28 million images in CompRess's 16,000 clusters
ENOUGH_IN_A_CLUSTER = images_each(80)
