"""OSS (online), published settings: appendix A.1, which takes over SwAV's for batches of 256.

The last batch norm of each residual block starts at 1, as in SwAV's code, in the teacher too.
"""

_base_ = "./swav.py"

model = dict(
    type="OSS",
    online_teacher=dict(
        arch=None, zero_init_last=False, mean=(0.485, 0.456, 0.406), std=(0.228, 0.224, 0.225)
    ),
    dropout=(0.1, 0.05),  # hidden layer and output of both heads; None: no dropout
    adversarial=True,
    own_copy=False,  # True: the pseudo-code's sum read literally
    joint_classifier=False,  # one classifier batch a network, as in the pseudo-code
)
