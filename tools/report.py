#!/usr/bin/env python
"""Writes report.html and report.md: our results, mean and std over seeds, beside the published ones."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from distill.errors import run_cli  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="example: python tools/report.py work_dirs/student/results.jsonl --out work_dirs/report",
    )
    parser.add_argument(
        "results", nargs="+", metavar="RESULTS.jsonl", help="rows of evaluate and run_transfer"
    )
    parser.add_argument(
        "--runs", nargs="+", default=[], metavar="DIR",
        help="work directories whose loss curves to show, besides those of the checkpoints in the rows",
    )  # fmt: skip
    parser.add_argument(
        "--figures", nargs="+", default=[], metavar="PNG", help="pictures to show, or folders of them"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for report.html and report.md")
    return parser


def main() -> None:
    args = parser().parse_args()
    from distill.report import write_report

    html, table = write_report(args.results, Path(args.out), args.runs, args.figures)
    print(f"{html}\n{table}")


if __name__ == "__main__":
    run_cli(main)
