"""They break under whoever knows nothing."""

benchmark = dict(
    title="Wood", source="nowhere", data="voc_masks", seeds=1, headline="height", smoke="smoke.py"
)
steps, fails_for = 2, "random"
