"""Probabilistic transfer as CompRess reproduced it (section 4.3); its schedule is taken to be CompRess's."""

_base_ = "./compress_1q.py"

model = dict(
    _delete_=True,
    type="ProbabilisticTransfer",
    student=dict(arch=None),
    teacher=dict(weights=None, output="backbone"),
)
