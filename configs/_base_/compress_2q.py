"""CompRess-2q, published settings: as 1q, with a queue and a key encoder of the student's own."""

_base_ = "./compress_1q.py"

model = dict(queues=2, key_encoder=True, momentum=0.999)
