#!/usr/bin/env python
"""Writes a data set in VOC's layout again, without the objects of one class.

  python docs/results/without_class.py data/bccd/VOC2007 WBC work_dirs/voc/VOC2007

VOC 2007's protocols need several pictures with a class and several without: of the blood cells, all pictures
but two show white ones.
"""

import argparse
import shutil
import sys
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from distill.errors import run_cli  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("voc", type=Path, help="folder with Annotations, ImageSets, JPEGImages")
    parser.add_argument("name", help="the class")
    parser.add_argument("out", type=Path)
    parser.add_argument("--traceback", action="store_true", help="show the traceback of an expected error")
    args = parser.parse_args()
    shutil.copytree(args.voc, args.out, dirs_exist_ok=True)
    for file in (args.out / "Annotations").glob("*.xml"):
        tree = ElementTree.parse(file)
        for found in [each for each in tree.getroot().iter("object") if each.findtext("name") == args.name]:
            tree.getroot().remove(found)
        tree.write(file)


if __name__ == "__main__":
    run_cli(main)
