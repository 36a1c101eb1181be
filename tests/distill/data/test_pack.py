"""Packing: the plan, what a kill leaves, smaller copies, and what is refused."""

import io
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from distill.data.image_files import open_images
from distill.data.images import UnreadableImage, decode_image
from distill.data.pack import pack, plan
from distill.data.shrink import shrink
from distill.data.tar_files import write_tar
from distill.errors import UserError
from tests import processes

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """60 pictures with noise, of 300 x 200 pixels and 73 kB each, in three folders."""
    root, random = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for number in range(60):
        (root / f"class{number % 3}").mkdir(exist_ok=True)
        image = Image.fromarray(random.integers(0, 256, (200, 300, 3), dtype=np.uint8))
        image.save(root / f"class{number % 3}" / f"{number}.jpg", quality=95)
    return root


def packing(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, str(ROOT / "tools/pack_images.py"), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_plan_fills_shards_up_to_their_size():
    """A file of 1 to 512 bytes takes 1,024 in a tar file."""
    assert plan(np.array([1, 512, 513, 1, 9000, 1]), 2048) == [
        range(0, 2), range(2, 3), range(3, 4), range(4, 5), range(5, 6)
    ]  # fmt: skip
    assert plan(np.ones(10, np.int64), 10**9) == [range(10)]
    sizes = np.random.default_rng(0).integers(0, 5000, 1000)
    rows = plan(sizes, 20_000)
    assert [row for shard in rows for row in shard] == list(range(1000))
    taken = [sum(512 + -(-size // 512) * 512 for size in sizes[shard.start : shard.stop]) for shard in rows]
    assert max(taken) <= 20_000 < min(one + other for one, other in itertools.pairwise(taken))


@pytest.mark.parametrize("settings", [(), ("--max-side", 150)], ids=["as they are", "smaller"])
def test_a_killed_packing_goes_on_to_the_same_bytes(settings, photos, tmp_path, run_here):
    command = ("pack_images.py", photos, *settings, "--shard-size", 0.4)
    whole = run_here(*command, "--out", tmp_path / "whole", "--workers", 1)
    assert "60 images in 12 tar files" in whole
    victim = processes.start_tool(*command, "--out", tmp_path / "killed", "--workers", 2)
    while not list((tmp_path / "killed").glob("*.tar")) and victim.is_alive():
        time.sleep(0.001)
    workers = psutil.Process(victim.pid).children()
    victim.kill()
    victim.join()
    assert victim.exitcode == -signal.SIGKILL and not (tmp_path / "killed/packed_images.index").exists()
    assert len(workers) >= 2 and not processes.alive_after(2, workers), "they end with it"
    left = {file: file.stat().st_ino for file in (tmp_path / "killed").glob("*.tar")}
    with pytest.raises(UserError, match="killed: the images are not all packed"):
        open_images(tmp_path / "killed")
    assert "12 of 12 shards" in run_here(*command, "--out", tmp_path / "killed", "--workers", 0)
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "whole")
    assert all(file.stat().st_ino == before for file, before in left.items()), "what was whole is kept"


def test_a_missing_or_torn_file_is_made_again(photos, tmp_path):
    out = tmp_path / "shards"
    pack(photos, out, shard_bytes=10**6, workers=0)
    before, said = bytes_of(out), []
    (out / "images-000001.tar").unlink()
    os.truncate(out / "images-000002.tar", 500_000)
    (out / "images-000003.tar").write_text("strange")
    (out / "packed_images.index").write_text("strange")
    (out / ".images-000001.tar.1.part").write_text("left by a killed process")
    pack(photos, out, shard_bytes=10**6, workers=0, say=said.append)
    assert bytes_of(out) == before and said[0].startswith("  5 of 5 shards")
    pack(photos, out, shard_bytes=10**6, workers=0, say=said.append)
    assert bytes_of(out) == before and said[1:] == ["nothing to do: all shards are there"]


def test_two_at_once_are_one_too_many(photos, tmp_path):
    out = tmp_path / "shards"
    first = packing(photos, "--out", out, "--max-side", 299, "--shard-size", 0.1, "--workers", 1)
    while not (out / "packed_images.json").exists():
        time.sleep(0.001)
    with pytest.raises(UserError, match="shards: another process packs into this folder"):
        pack(photos, out, max_side=299, shard_bytes=100_000, workers=0)
    assert "60 images in 60 tar files" in first.communicate(timeout=120)[0]


def test_larger_images_become_smaller_and_others_stay(photos, tmp_path):
    root, random = shutil.copytree(photos, tmp_path / "images"), np.random.default_rng(1)
    Image.fromarray(random.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(root / "small.png")
    (root / "torn.jpg").write_bytes((root / "class0/0.jpg").read_bytes()[:5000])
    said = []
    shards = pack(root, tmp_path / "shards", max_side=60, workers=0, say=said.append)
    folder, packed = open_images(root), open_images(tmp_path / "shards")
    assert packed.files == folder.files and packed.fingerprint != folder.fingerprint
    assert shards.record["source"] == folder.fingerprint and shards.record["max_side"] == 60
    for row, name in enumerate(packed.files):
        if name in ("small.png", "torn.jpg"):
            assert packed.content(row) == folder.content(row)
        else:
            assert packed.read(row).size == (60, 40)
    (named,) = (line for line in said if "copied as it is" in line)
    assert f"{root}/torn.jpg: not a whole picture" in named
    with pytest.raises(UnreadableImage, match="shards/torn.jpg: not a whole picture"):
        packed.read(packed.files.index("torn.jpg"))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "PPM", "WEBP", "GIF"])
def test_a_smaller_copy_is_upright_and_of_the_same_kind(kind):
    """A picture that is red on the left and, by its EXIF tag, to be turned by a quarter clockwise."""
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[:, :100, 0], pixels[:, 100:, 2] = 255, 255
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = kind in ("JPEG", "PNG", "TIFF", "WEBP")
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **({"exif": exif} if turned else {}))
    small = shrink(file.getvalue(), "name", 50)
    image = decode_image(small, "name")
    assert Image.open(io.BytesIO(small)).format == ("JPEG" if kind == "GIF" else kind)
    assert image.size == ((25, 50) if turned else (50, 25))
    red, blue = (image.getpixel(at) for at in (((12, 2), (12, 47)) if turned else ((2, 12), (47, 12))))
    assert red[0] > 200 > 60 > red[2] and blue[2] > 200 > 60 > blue[0]
    assert shrink(file.getvalue(), "name", 200) == file.getvalue()


def test_what_cannot_be_packed_is_named(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no images in .*empty"):
        pack(tmp_path / "empty", tmp_path / "shards")
    with pytest.raises(UserError, match="no such image folder"):
        pack(tmp_path / "nowhere", tmp_path / "shards")
    with pytest.raises(UserError, match="not empty, and holds no shards"):
        pack(photos, photos, workers=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: not a folder"):
        pack(photos, tmp_path / "file")
    assert not (tmp_path / "shards").exists() and len(list(photos.iterdir())) == 3

    pack(photos, tmp_path / "shards", workers=0)
    with pytest.raises(UserError, match="these are shards already"):
        pack(tmp_path / "shards", tmp_path / "again")
    with pytest.raises(UserError, match=r"other images or settings \(encoder, max_side differ\)"):
        pack(photos, tmp_path / "shards", max_side=10)
    with pytest.raises(UserError, match=r"other images or settings \(shard_bytes differ\)"):
        pack(photos, tmp_path / "shards", shard_bytes=10**6)
    with pytest.raises(UserError, match=r"\(source.fingerprint, source.images differ\)"):
        pack(photos / "class0", tmp_path / "shards")
    (tmp_path / "shards/packed_images.json").write_text("{")
    with pytest.raises(UserError, match="packed_images.json: not as it was written"):
        pack(photos, tmp_path / "shards")


def test_a_folder_that_changes_meanwhile_is_not_packed(photos, tmp_path):
    for what, change in (
        ("grown", lambda root: (root / "class2/2.jpg").write_bytes(bytes(10))),
        ("removed", lambda root: (root / "class2/2.jpg").unlink()),
    ):
        root, out = shutil.copytree(photos, tmp_path / what), tmp_path / f"{what}-shards"
        process = packing(root, "--out", out, "--max-side", 200, "--shard-size", 0.4, "--workers", 1)
        while not list(out.glob("*.tar")):
            time.sleep(0.001)
        change(root)
        said = process.communicate(timeout=120)[0]
        assert process.returncode == 2, said
        assert said.splitlines()[-1].startswith("error: ") and "Traceback" not in said
        assert not (out / "packed_images.index").exists()
        with pytest.raises(UserError, match="begun with other images"):
            pack(root, out, max_side=200, shard_bytes=400_000, workers=0)


def test_a_full_disk_is_told_before_and_a_torn_shard_never_left(photos, tmp_path):
    root = shutil.copytree(photos, tmp_path / "images")
    os.truncate(root / "class0/0.jpg", 2 * shutil.disk_usage(tmp_path).free)  # a hole, which takes no room
    with pytest.raises(UserError, match="shards: no room, .* GB are needed"):
        pack(root, tmp_path / "shards", workers=0)
    code = """
import resource, sys
from distill.data.tar_files import write_tar
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
write_tar(sys.argv[1], [("a", bytes(9999))])
"""
    command = [sys.executable, "-c", code, str(tmp_path / "x.tar")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert f"File too large: '{tmp_path / 'x.tar'}'" in done.stderr
    assert not list(tmp_path.glob("*.tar")) and not list(tmp_path.glob(".*"))


def test_the_same_files_make_the_same_tar_whoever_owns_them(tmp_path):
    write_tar(tmp_path / "x.tar", [("a/b.jpg", b"123"), ("n" * 300, b"")])
    with tarfile.open(tmp_path / "x.tar") as tar:
        found = [(info.name, info.size, info.mtime, info.uid, info.uname, info.mode) for info in tar]
    assert found == [("a/b.jpg", 3, 0, 0, "", 0o644), ("n" * 300, 0, 0, 0, "", 0o644)]


def test_the_record_says_how_they_were_made(photos, tmp_path):
    pack(photos, tmp_path / "shards", max_side=50, workers=0)
    record = json.loads((tmp_path / "shards/packed_images.json").read_text())
    source = {"fingerprint": open_images(photos).fingerprint, "images": 60}
    assert record.pop("encoder").startswith("Pillow ")
    assert record == {"max_side": 50, "shard_bytes": 512 * 10**6, "source": source}
