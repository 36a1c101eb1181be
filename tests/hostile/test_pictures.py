"""Pictures of every kind, and what is none: read alike, or refused alike, wherever pictures are read."""

import importlib.util
import io
import os
import socket
import struct
import time
import zlib
from functools import partial

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from distill.data.image_files import open_images
from distill.data.labelled import list_labelled
from distill.data.pack import pack
from distill.data.unlabelled import UnlabelledImages
from distill.errors import UserError
from distill.evaluation.features import Extraction
from distill.evaluation.images import LabelledImages
from distill.features import Pictures
from distill.figures.material import Material

SIDE = 8
VIEW = {"type": "CentreCrop", "size": SIDE, "resize": SIDE}  # of a picture of that size, all of it
RAMP = np.arange(0, 256, 4, dtype=np.uint8).reshape(SIDE, SIDE)
COLOURS = np.stack([RAMP, RAMP.T, 252 - RAMP], axis=-1)
OPAQUE = Image.fromarray(COLOURS)
GREY = np.repeat(RAMP[..., None], 3, axis=2)
PALETTE = OPAQUE.quantize(16)
PALETTE_COLOURS = np.asarray(PALETTE.convert("RGB"))


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    image.save(file := io.BytesIO(), kind, **options)
    return file.getvalue()


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(Image.fromarray(RAMP))
    return image


def turned() -> bytes:
    """Orientation 6: the first row of the file is the right edge of the picture."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(OPAQUE.rotate(90), exif=exif)


def turned_oddly() -> bytes:
    """The same, beside a tag that cannot have such a value: a width in words."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "words", 6
    content = saved(Image.new("RGB", (SIDE, SIDE), (99, 99, 99)), "JPEG", exif=exif)
    return content.replace(b"\x01\x0f\0\x02", b"\x01\0\0\x02")


def declared(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says to be so large."""
    content = bytearray(saved(Image.new("L", (1, 1))))
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


WHOLE = {  # name: (content of the file, its pixels)
    "jpeg.jpg": (saved(Image.new("RGB", (SIDE, SIDE), (99, 99, 99)), "JPEG"), np.full_like(COLOURS, 99)),
    "cmyk.tif": (saved(Image.new("CMYK", (SIDE, SIDE), (0, 255, 255, 0)), "TIFF"), COLOURS * 0 + (255, 0, 0)),
    "grey.png": (saved(Image.fromarray(RAMP)), GREY),
    "16 bits.png": (saved(Image.fromarray(RAMP.astype(np.uint16) * 257)), GREY),
    "16 bits.tif": (saved(Image.fromarray(RAMP.astype(np.uint16) * 257), "TIFF"), GREY),
    "1 bit.png": (saved(Image.fromarray(RAMP > 100)), 255 * (GREY > 100)),
    "palette.png": (saved(PALETTE), PALETTE_COLOURS),
    "clear palette.png": (saved(PALETTE, transparency=bytes(range(16))), PALETTE_COLOURS),
    "alpha.png": (saved(with_alpha(OPAQUE)), COLOURS),
    "grey alpha.png": (saved(with_alpha(Image.fromarray(RAMP))), GREY),
    "turned.png": (turned(), COLOURS),
    "turned oddly.jpg": (turned_oddly(), np.full_like(COLOURS, 99)),
    "moving.png": (saved(OPAQUE, save_all=True, append_images=[OPAQUE.rotate(90)]), COLOURS),
    "moving.webp": (
        saved(OPAQUE, "WEBP", save_all=True, append_images=[OPAQUE.rotate(90)], lossless=True),
        COLOURS,
    ),
    "pages.tif": (saved(OPAQUE, "TIFF", save_all=True, append_images=[OPAQUE.rotate(90)]), COLOURS),
    "one pixel.png": (saved(Image.new("RGB", (1, 1), (1, 2, 3))), COLOURS * 0 + (1, 2, 3)),
    "a PNG.jpg": (saved(OPAQUE), COLOURS),
    "a GIF.jpg": (saved(PALETTE, "GIF"), PALETTE_COLOURS),
    "a comment.ppm": (saved(OPAQUE, "PPM").replace(b"P6\n", b"P6\n# a comment\n"), COLOURS),
    os.fsdecode(b"latin-\xe9.png"): (saved(OPAQUE), COLOURS),
    'it\'s "one"\nname.png': (saved(OPAQUE), COLOURS),
}
NOTHING = "cannot identify image file"
REFUSED = {  # name: (content of the file, words of the line)
    "empty.jpg": (b"", NOTHING),
    "text.jpg": (b"no picture", NOTHING),
    "page.png": (b"<!DOCTYPE html><p>404", NOTHING),
    "a script.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n", NOTHING),
    "torn.jpg": (saved(Image.effect_noise((64, 64), 99), "JPEG")[:900], "image file is truncated"),
    "torn.png": (saved(OPAQUE)[:-30], "not a whole picture"),
    "a flipped bit.png": (saved(OPAQUE).replace(b"IDAT", b"IDAU"), NOTHING),
    "huge.png": (declared(30_000, 30_000), "exceeds limit of 178956970 pixels, could be decompression bomb"),
    "long.png": (saved(Image.new("L", (1, 10_000))), "1 x 10000 pixels, more than 1000 to 1"),
    "floats.tif": (saved(Image.fromarray(RAMP.astype(np.float32)), "TIFF"), "pixels of 32 bits"),
    "32 bits.tif": (saved(Image.fromarray(RAMP.astype(np.int32)), "TIFF"), "pixels of 32 bits"),
}


def in_training(data_set, folder, name) -> Tensor:
    return data_set(str(folder), VIEW)[0, 0]["views"][0]


def in_evaluation(folder, name) -> Tensor:
    return Pictures(list_labelled(folder), VIEW)[0][1]


def in_shards(max_side, folder, name) -> Tensor:
    pack(folder, folder.parent / "shards", max_side=max_side, workers=0, say=lambda line: None)
    return in_evaluation(folder.parent / "shards", name)


def in_figures(folder, name) -> Tensor:
    images = open_images(folder)
    return Material(None, images, Extraction(image_size=SIDE, resize=SIDE)).look(images, [0])[0]


def in_openmmlab(folder, name) -> np.ndarray:
    from transfer.frameworks.openmmlab.data import ReadPicture

    found = ReadPicture().transform({"img_path": str(folder / "a" / name)})
    return found["img"][:, :, ::-1]


def in_detectron2(folder, name) -> Tensor:
    from transfer.frameworks.detectron2.data import Mapper

    mapper = Mapper(is_train=False, augmentations=[], image_format="RGB")
    return mapper({"file_name": str(folder / "a" / name)})["image"]


READERS = {
    "training": partial(in_training, UnlabelledImages),
    "training with labels": partial(in_training, LabelledImages),
    "evaluation": in_evaluation,
    "figures": in_figures,
    "shards": partial(in_shards, None),
    "smaller shards": partial(in_shards, SIDE),
    "mmcv": in_openmmlab,  # MMDetection and MMSegmentation
    "detectron2": in_detectron2,
}


@pytest.fixture(params=READERS)
def read(request):
    if request.param in ("mmcv", "detectron2") and not importlib.util.find_spec(request.param):
        pytest.skip(f"{request.param} is not installed")
    return READERS[request.param]


@pytest.fixture
def folder(tmp_path):
    """``folder(name, content)`` writes one picture, of class a."""

    def write(name: str, content: bytes):
        (tmp_path / "images" / "a").mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / "a" / name).write_bytes(content)
        return tmp_path / "images"

    return write


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_picture_has_the_same_pixels_everywhere(name, read, folder):
    content, pixels = WHOLE[name]
    found = np.asarray(read(folder(name, content), name))
    found = found if found.shape[-1] == 3 else found.transpose(1, 2, 0)
    assert found.dtype == np.uint8 and (found == pixels[: len(found), : len(found[0])]).all()


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_picture_is_refused_in_the_same_words_everywhere(name, read, folder):
    content, words = REFUSED[name]
    with pytest.raises(UserError) as error:
        read(folder(name, content), name)
    assert words in str(error.value) and f"a/{name}: not a whole picture (" in str(error.value)
    assert "\n" not in str(error.value)


def device(path) -> None:
    path.symlink_to("/dev/zero")


def unix_socket(path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.getcwd()
        os.chdir(path.parent)  # the name of a socket has at most 107 bytes
        bound.bind(path.name)
        os.chdir(here)


NO_FILES = {  # what makes it, what it is
    "a pipe": (os.mkfifo, "a pipe"),
    "a link to a pipe": (
        lambda path: (os.mkfifo(path.parent / "pipe"), path.symlink_to("pipe")),
        "a pipe",
    ),
    "a socket": (unix_socket, "a socket"),
    "a link to a device": (device, "a device"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere"), "a link: No such file or directory"),
    "a link to itself": (lambda path: path.symlink_to("b.jpg"), "a link: Too many levels of symbolic links"),
}


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_is_refused_when_images_are_listed(name, folder):
    make, what = NO_FILES[name]
    root = folder("good.png", saved(OPAQUE))
    make(root / "a" / "b.jpg")
    began = time.monotonic()
    for listing in (open_images, list_labelled):
        with pytest.raises(UserError) as error:
            listing(root)
        assert str(error.value) == f"{root}: 1 of its images are no files: a/b.jpg ({what})"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", NO_FILES)
def test_a_file_that_became_something_else_is_refused_when_it_is_read(name, read, folder):
    """After the images were listed; frameworks have lists of their own."""
    make, _ = NO_FILES[name]
    root = folder("b.jpg", saved(OPAQUE))
    listed = list_labelled(root)
    (root / "a" / "b.jpg").unlink()
    make(root / "a" / "b.jpg")
    began = time.monotonic()
    with pytest.raises(UserError, match=r"b.jpg"):
        listed.read(0)
    with pytest.raises(UserError, match=r"b.jpg"):
        read(root, "b.jpg")
    assert time.monotonic() - began < 5


def test_circles_of_links_are_left_out_with_a_word(folder, tmp_path, capsys):
    root = folder("1.png", saved(OPAQUE))
    (root / "a" / "back").symlink_to(root)
    (root / "a" / "self").symlink_to(root / "a")
    (tmp_path / "other").mkdir()
    (root / "b").symlink_to(tmp_path / "other")
    (tmp_path / "other" / "2.png").write_bytes(saved(OPAQUE))
    (tmp_path / "other" / "round").symlink_to(root)
    assert list(open_images(root).files) == ["a/1.png", "b/2.png"]
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"warning: left out: {root}/{link}: a link to a folder that it lies in"
        for link in ("a/back", "a/self", "b/round")
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(folder, capsys):
    root = folder("1.png", saved(OPAQUE))
    secret = folder("2.png", saved(OPAQUE)) / "a" / "2.png"
    secret.chmod(0)
    with pytest.raises(UserError, match=r"2.png: not a whole picture \(Permission denied\)"):
        open_images(root).read(1)
    (root / "closed").mkdir(mode=0)
    assert len(open_images(root)) == 2
    assert f"warning: left out: {root}/closed: Permission denied\n" in capsys.readouterr().err


def test_a_folder_that_is_called_as_a_picture_is_looked_into(folder):
    root = folder("1.png", saved(OPAQUE))
    (root / "a" / "more.jpg").mkdir()
    (root / "a" / "1.png").rename(root / "a" / "more.jpg" / "1.png")
    assert list(open_images(root).files) == ["a/more.jpg/1.png"]
