"""``python -m distill.demo OUT [--seed N]``: writes the demo world."""

import argparse
import json
from pathlib import Path

from distill.demo.world import MARK, write_demo
from distill.errors import run_cli


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m distill.demo", description="Writes the demo world.")
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives another world (default 0)")
    return parser


def main() -> None:
    """Reads the command line, writes the world and says what it wrote."""
    arguments = parser().parse_args()
    root = write_demo(arguments.out, seed=arguments.seed)
    mark = json.loads((root / MARK).read_text())
    print(f"demo data: {mark['files']} files in {root}, sha256 {mark['sha256'][:12]}")


if __name__ == "__main__":
    run_cli(main)
