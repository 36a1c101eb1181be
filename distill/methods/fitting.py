"""Rules by which settings follow the size of the data set.

A rule takes the published value and the number of images. It returns the value to use and the reason, which
is None for a setting without a published value. ``Method.fitted`` names the settings and their rules.
"""

from collections.abc import Callable

Rule = Callable[[int, int], tuple[int, str | None]]


def at_most_images(value: int, images: int) -> tuple[int, str]:
    """For a setting that needs no more places than there are images."""
    return min(value, images), "as long as the data set"


def number_of_images(value: int | None, images: int) -> tuple[int, None]:
    """For a setting that must equal the number of images."""
    return images, None


def images_each(share: int) -> Rule:
    """For a number of clusters that need ``share`` images each; two clusters at least."""

    def rule(value: int, images: int) -> tuple[int, str]:
        return min(value, max(2, images // share)), f"{share} images a cluster"

    return rule


# CompRess's: 1.28 million images in 16,000 clusters
ENOUGH_IN_A_CLUSTER = images_each(80)
