"""k-means of SEED's comparison: labels from the teacher's head embeddings; SEED's head, views and schedule.

SEED's number of clusters is not known to us; here it is that of CompRess's cluster classification.
"""

_base_ = "./seed.py"

model = dict(
    _delete_=True,
    type="ClusterClassification",
    clusters=16_000,
    projection=128,
    iterations=20,
    seed=0,
    student=dict(arch=None, zero_init_last=False),
    teacher=dict(weights=None, output="auto", cache=None),
)
