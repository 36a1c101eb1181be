"""The list of a folder's images: a plain walk's, kept in a file, made anew when the folder changes."""

import hashlib
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest

from distill.data.file_index import KIND, SETTLED, list_images
from distill.data.mapped import map_arrays, write_arrays
from distill.data.walk import IMAGE_SUFFIXES
from distill.errors import UserError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DISTILL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(root: Path, *names: str | bytes) -> Path:
    """Files of as many bytes as their names have."""
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(bytes(len(name)))
    return root


def walked(root: Path) -> tuple[list[str], str]:
    """Names and fingerprint, by a walk and one look at each file."""
    names = sorted(
        os.path.relpath(os.path.join(folder, name), root)
        for folder, _, files in os.walk(root, followlinks=True)
        for name in files
        if os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not name.startswith(".")
    )
    digest = hashlib.sha256()
    for name in names:
        digest.update(os.fsencode(name) + f"\0{os.path.getsize(os.path.join(root, name))}\n".encode())
    return names, digest.hexdigest()


def listed(root: Path) -> tuple[list[str], str]:
    index = list_images(root)
    return list(index), index.fingerprint()


def wait_until_settled() -> None:
    time.sleep(SETTLED / 1e9 + 0.1)


def in_process(root: Path, work: str, **env: str) -> subprocess.Popen:
    """A process that works on ``index``, the images of ``root``."""
    code = f"from distill.data.file_index import list_images\nindex = list_images({str(root)!r})\n{work}"
    env = os.environ | {"PYTHONPATH": str(ROOT)} | env
    return subprocess.Popen(
        [sys.executable, "-c", code], env=env, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_names_order_and_fingerprint_are_those_of_a_walk(tmp_path):
    root = write(
        tmp_path / "images", "a/1.jpg", "a-b/1.JPEG", "a/deep/er/2.Png", "top.webp", ".hidden.jpg",
        ".folder/3.tif", "notes.txt", "folder.jpg/4.bmp", "a b/new\nline.ppm", "it's \"it\".pgm", "ü/雪.jpg",
        b"latin-\xe9.jpg", b"z\xff/5.jpg", "\ue000.jpg", "\U0001f600.jpg",
    )  # fmt: skip
    write(tmp_path / "elsewhere", "6.jpg")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "one.jpg").symlink_to(tmp_path / "elsewhere" / "6.jpg")
    (root / "unreadable").mkdir()
    assert listed(root) == listed(root) == walked(root)
    assert len(walked(root)[0]) == 15


def test_what_cannot_be_listed_is_named(tmp_path):
    with pytest.raises(UserError, match="no such image folder: .*nowhere"):
        list_images(tmp_path / "nowhere")
    root = write(tmp_path / "images", "notes.txt")
    with pytest.raises(UserError, match="no images in .*images"):
        list_images(root)
    write(root, "1.jpg", "2.jpg")
    index = list_images(root)
    (root / "2.jpg").unlink()
    with pytest.raises(UserError, match="cannot be looked at .*2.jpg"):
        index.fingerprint()


def test_an_unchanged_folder_is_listed_once(tmp_path, cache):
    root = write(tmp_path / "images", "a/1.jpg", "b/2.jpg")
    early = list_images(root).file.stat()
    assert early.st_ino != list_images(root).file.stat().st_ino, "it may still change within a tick"
    wait_until_settled()
    first = list_images(root)
    first.fingerprint()
    second = list_images(root)
    (tmp_path / "link").symlink_to(root)
    by_link = list_images(tmp_path / "link")
    assert first.file.stat().st_ino == second.file.stat().st_ino and by_link.file == second.file
    assert second.sizes.tolist() == [7, 7] and second.fingerprint() == walked(root)[1]
    assert sorted(path.suffix for path in cache.iterdir()) == [".index", ".lock"]


CHANGES = {
    "added": lambda root: write(root, "a/new.jpg"),
    "removed": lambda root: (root / "a/1.jpg").unlink(),
    "renamed": lambda root: (root / "a/1.jpg").rename(root / "a/one.jpg"),
    "folder added": lambda root: write(root, "deep/in/new.jpg"),
    "folder renamed": lambda root: (root / "a").rename(root / "c"),
    "added behind a link": lambda root: write(root / "link", "new.jpg"),
    "larger": lambda root: (root / "a/1.jpg").write_bytes(bytes(100)),
    "another folder in its place": lambda root: (
        root.rename(root.with_name("old")),
        write(root, "a/1.jpg", "a/3.jpg"),
    ),
}


def test_every_change_is_noticed(tmp_path):
    roots = {}
    for what in CHANGES:
        roots[what] = write(tmp_path / what / "images", "a/1.jpg", "b/2.jpg")
        (roots[what] / "link").symlink_to(write(tmp_path / what / "elsewhere", "3.jpg"))
    wait_until_settled()
    before = {what: listed(root) for what, root in roots.items()}
    for what, root in roots.items():
        CHANGES[what](root)
        assert listed(root) == walked(root) != before[what], what


def test_a_file_that_is_not_the_index_is_replaced(tmp_path):
    root, other = (write(tmp_path / name, f"{name}/1.jpg") for name in ("images", "others"))
    wait_until_settled()
    index, of_other = list_images(root), list_images(other)
    whole = index.file.read_bytes()
    newer = tmp_path / "newer"
    write_arrays(newer, "distill file index 2", index.record, index.arrays)
    for content in (
        b"", whole[:40], whole[:-1], whole[:-50] + bytes(50), of_other.file.read_bytes(), newer.read_bytes()
    ):  # fmt: skip
        index.file.unlink()  # what is mapped must not shrink
        index.file.write_bytes(content)
        assert listed(root) == walked(root)
        assert map_arrays(index.file, KIND).record["root"] == str(root), "and whole again"


def test_two_processes_at_once_list_the_same(tmp_path, cache):
    root = write(tmp_path / "images", *(f"{number % 20}/{number}.jpg" for number in range(2000)))
    cache.mkdir()
    (cache / ".x.index.1.part").write_text("another folder's")
    left = cache / f".{list_images(root).file.name}.4711.part"
    left.write_text("left by a killed process")
    processes = [in_process(root, "print(len(index), index.fingerprint())") for _ in range(3)]
    told = {process.communicate(timeout=60)[0] for process in processes}
    assert told == {f"2000 {walked(root)[1]}\n"}
    assert sorted(path.suffix for path in cache.iterdir()) == [".index", ".lock", ".part"]
    assert not left.exists()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_one_process_of_a_run_looks_at_the_sizes(processes, tmp_path):
    """The other, which began before, takes its word; separate runs look for themselves."""
    root = write(tmp_path / "images", "1.jpg", "2.jpg")
    other = in_process(root, "input()\nprint(index.fingerprint())", WORLD_SIZE=processes)
    time.sleep(1)  # the start of a process is known to about a second
    first = in_process(root, "print(index.fingerprint())", WORLD_SIZE=processes)
    before = first.communicate(timeout=60)[0]
    (root / "1.jpg").write_bytes(bytes(100))
    assert other.poll() is None
    said = other.communicate("\n", timeout=60)[0]
    assert (said == before) == (processes == "2")
    assert listed(root) == walked(root), "a later run looks again"


def test_without_a_place_for_the_file_a_warning_is_all_that_changes(tmp_path, monkeypatch):
    root = write(tmp_path / "images", "1.jpg", "2.jpg")
    (tmp_path / "file").write_text("")
    work = "list_images(index.root)\nprint(len(index), index.fingerprint())"
    for rank in ("0", "1"):
        process = in_process(root, work, DISTILL_CACHE=str(tmp_path / "file" / "cache"), RANK=rank)
        said, warned = process.communicate(timeout=60)
        assert said == f"2 {walked(root)[1]}\n"
        lines = warned.splitlines()
        assert len(lines) == (rank == "0")
        assert all(line.startswith("warning: the list of images is not kept") for line in lines)
    monkeypatch.setenv("DISTILL_CACHE", str(tmp_path / "file" / "cache"))
    in_memory = list_images(root)
    assert pickle.loads(pickle.dumps(in_memory)) == in_memory


def test_a_full_disk_changes_no_more(tmp_path, cache):
    root = write(tmp_path / "images", "1.jpg", "2.jpg")
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
    work = f"{full}index = list_images({str(root)!r})\nprint(len(index), index.fingerprint())"
    process = in_process(write(tmp_path / "others", "1.jpg"), work)
    said, warned = process.communicate(timeout=60)
    assert said == f"2 {walked(root)[1]}\n"
    assert warned.startswith("warning: the list of images is not kept") and "File too large" in warned
    assert not list(cache.glob(".*"))


def names_in(index) -> list[str]:
    return list(index)


def test_a_process_that_gets_a_copy_maps_the_same_file(tmp_path):
    root = write(tmp_path / "images", *(f"{number}.jpg" for number in range(1000)))
    index = list_images(root)
    assert len(pickle.dumps(index)) < 1000
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(names_in, (index,)) == list(index)
    copy = pickle.dumps(index)
    write(root, "new.jpg")
    list_images(root)
    with pytest.raises(UserError, match="were listed anew while this began"):
        pickle.loads(copy)
