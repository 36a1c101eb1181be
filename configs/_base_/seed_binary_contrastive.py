"""Binary contrastive loss of SEED's comparison: SEED's head, queue, views and schedule; CRD's temperature."""

_base_ = "./seed.py"

model = dict(
    _delete_=True,
    type="BinaryContrastive",
    queue_length=65_536,
    temperature=0.07,
    student=dict(arch=None, zero_init_last=False),
    teacher=dict(weights=None, output="auto"),
)
