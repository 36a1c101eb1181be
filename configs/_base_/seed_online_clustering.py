"""Online clustering of SEED's comparison: SEED's head, views and schedule.

Clusters and temperature are not known to us: CompRess's number of clusters, SEED's student temperature.
"""

_base_ = "./seed.py"

model = dict(
    _delete_=True,
    type="OnlineClustering",
    clusters=16_000,
    temperature=0.2,
    student=dict(arch=None, zero_init_last=False),
    teacher=dict(weights=None, output="auto"),
)
