"""They hold."""

benchmark = dict(
    title="Stone", source="nowhere", data="voc_masks", seeds=1, headline="height", smoke="smoke.py"
)
steps, fails_for = 150, ""
