"""l2 distance of SEED's comparison, between unit embeddings: SEED's head, views and schedule."""

_base_ = "./seed.py"

model = dict(
    _delete_=True,
    type="Regression",
    normalisation="l2",
    hidden=True,
    student=dict(arch=None, zero_init_last=False),
    teacher=dict(weights=None, output="auto"),
)
