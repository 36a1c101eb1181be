"""Test pictures that were trained on as well: found once, before anything is measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from distill.data.copies import Copy, find_copies, marks_of
from distill.data.image_files import ImageFiles
from distill.errors import UserError
from distill.results.atomic import write_json, write_text


def check_leaks(
    tested: ImageFiles, trained: Mapping[str, ImageFiles], folder: Path, allowed: bool
) -> list[Copy]:
    """The test pictures that are among those trained on, also in ``folder/copies.txt``; each once.

    Args:
        trained: what a set is called -> its pictures.
        folder: keeps what was found; the same pictures are not read again.
        allowed: goes on with them.

    Raises:
        UserError: there are such pictures, and they are not ``allowed``.
    """
    copies = list({copy.ours: copy for copy in reversed(_found(tested, trained, folder))}.values())[::-1]
    write_text(folder / "copies.txt", "".join(f"{copy}\n" for copy in copies))
    if copies and not allowed:
        same = sum(copy.same_file for copy in copies)
        raise UserError(
            f"{len(copies)} of {len(tested)} test pictures are trained on as well ({same} the same file, "
            f"{len(copies) - same} near copies), as {copies[0]}; all are in {folder / 'copies.txt'}; take "
            "them out of the one or the other, or name them in the page and go on with --allow-copies"
        )
    return copies


def _found(tested: ImageFiles, trained: Mapping[str, ImageFiles], folder: Path) -> list[Copy]:
    file = folder / "copies.json"
    of = {"tested": tested.fingerprint, **{name: images.fingerprint for name, images in trained.items()}}
    if file.exists():
        kept = json.loads(file.read_text())
        if kept["of"] == of:
            return [Copy(**copy) for copy in kept["copies"]]
    ours = marks_of(tested)
    found = [
        copy for images in trained.values() for copy in find_copies(tested, ours, images, marks_of(images))
    ]
    write_json(file, {"of": of, "copies": [vars(copy) for copy in found]})
    return found
