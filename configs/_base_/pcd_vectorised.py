"""PCD's ablation without pixels: pooled features, the teacher's head as it is, the same loss (appendix A)."""

_base_ = "./pcd.py"

model = dict(vectorised=True, attention_width=None)  # there are no pixels for attention to relate
