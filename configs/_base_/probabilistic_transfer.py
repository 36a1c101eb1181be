"""Probabilistic transfer as CompRess reproduced it (section 4.3); its schedule is taken to be CompRess's.

The last batch norm of each residual block starts at 1 (``zero_init_last=False``), as in CompRess's code;
timm's start at 0.
"""

_base_ = "./compress_1q.py"

model = dict(
    _delete_=True,
    type="ProbabilisticTransfer",
    student=dict(arch=None, zero_init_last=False),
    teacher=dict(weights=None, output="backbone"),
)
