"""A benchmark of the toy framework."""

benchmark = dict(
    title="Mean colour of random pictures",
    source="nowhere",
    data="voc_masks",
    seeds=2,
    headline="toyness",
    smoke="smoke/toy.py",
)
lr, steps = 0.1, 100
