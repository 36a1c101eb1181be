"""Reg-BN, published settings: as Reg, with batch norm on both sides and SGD (momentum is not stated)."""

_base_ = "./reg.py"

model = dict(normalisation="batch_norm")
optim_wrapper = dict(optimizer=dict(_delete_=True, type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
