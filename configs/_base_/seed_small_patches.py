"""SEED with six small patches an image (the authors' code, main_small-patch.py; OSS Table 10, "SwAV*").

Views are MoCo-v2's in colour and SwAV's in scale.
"""

_base_ = "./seed.py"

model = dict(small_patches=6)
train_dataloader = dict(
    dataset=dict(
        augmentation=dict(
            _delete_=True,
            type="SmallPatchAugmentation",
            size=224,
            small_views=6,  # model.small_patches
            scale=(0.14, 1.0),
            small_scale=(0.05, 0.14),
        )
    )
)
