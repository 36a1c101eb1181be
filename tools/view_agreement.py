#!/usr/bin/env python
r"""Says how alike a run's student finds two views of an image, before and after training.

  python tools/view_agreement.py CONFIG                                  the student before its first step
  python tools/view_agreement.py work_dirs/RUN/config.py --weights work_dirs/RUN/last.pth

Methods without negatives (BYOL) and those that cluster (SwAV, OSS) start from what a random network's views
have in common: with an agreement near 0 there is little to start from. Milder views and other students raise
it. A spread that falls towards 0 during a run, or an effective rank that falls towards 1, is a collapse.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.engine.options import parse_options  # noqa: E402
from distill.errors import run_cli  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("config", help="config file of a run; distill.py writes one into the work dir")
    parser.add_argument("--weights", metavar="FILE", help="a student (default: as the run starts it)")
    parser.add_argument("--images", type=int, default=512, help="how many (default 512)")
    parser.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="KEY=VALUE",
        help="changes to the config, e.g. train_dataloader.dataset.augmentation.strength=0.25",
    )  # fmt: skip
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    return parser


def main() -> None:
    args = parser().parse_args()
    options = parse_options(args.cfg_options)
    import torch
    from mmengine.registry import DefaultScope

    from distill.backbones import Backbone
    from distill.checkpoints import read_weights
    from distill.engine.config_files import read_config
    from distill.engine.validate import validate
    from distill.evaluation import view_agreement
    from distill.registry import DATASETS

    config = read_config(args.config)
    config.merge_from_dict(options)
    validate(config)
    seed = config.get("randomness", {}).get("seed", 0)
    with DefaultScope.overwrite_default_scope(config.default_scope):
        images = DATASETS.build(dict(config.train_dataloader.dataset, seed=seed))
    if args.weights:
        student = Backbone.from_weights(read_weights(args.weights))
    else:
        torch.manual_seed(seed)
        student = Backbone(**config.model.student)
    found = view_agreement(student, images, args.images)
    print(f"{student.arch}, {args.weights or f'before training, seed {seed}'}")
    print(f"two views of an image agree by {found.agreement:.2f} (0: unrelated, 1: the same)")
    print(f"spread {found.spread:.3f} (0: all images look the same)")
    print(f"effective rank {found.rank:.1f} in {found.width} dimensions")


if __name__ == "__main__":
    run_cli(main)
