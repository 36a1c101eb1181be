"""Online clustering of SEED's comparison: SEED's head, views and schedule.

SEED's settings are not known to us; here they are CompRess's number of clusters and SEED's student temperature.
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
