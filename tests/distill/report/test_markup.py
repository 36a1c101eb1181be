"""Pictures within the page."""

import re
from base64 import b64decode
from io import BytesIO

import numpy as np
from PIL import Image

from distill.report import markup


def within(html: str) -> tuple[str, bytes]:
    kind, content = re.search(r'src="data:image/(\w+);base64,([^"]+)"', html).groups()
    return kind, b64decode(content)


def test_a_drawing_stays_as_it_is_and_photographs_become_small(tmp_path):
    random = np.random.default_rng(0)
    small, large = tmp_path / "small.png", tmp_path / "large.png"
    Image.new("RGB", (30, 20), "red").save(small)
    photograph = Image.fromarray(random.integers(0, 256, (60, 90, 3), dtype=np.uint8)).resize((3000, 2000))
    photograph.save(large)
    assert within(markup.image(str(small), "a")) == ("png", small.read_bytes())
    kind, content = within(markup.image(str(large), "b"))
    assert kind == "webp" and 5 * len(content) < large.stat().st_size
    with Image.open(BytesIO(content)) as shown:
        assert shown.size == (1600, 1067)
        expected = np.asarray(photograph.resize(shown.size), np.float32)
        assert np.abs(np.asarray(shown.convert("RGB")) - expected).mean() < 5


def test_a_torn_picture_is_a_line(tmp_path):
    torn = tmp_path / "torn.png"
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (400, 400, 3), dtype=np.uint8)).save(torn)
    torn.write_bytes(torn.read_bytes()[:350_000])
    assert "Not there, or not a PNG: " in markup.image(str(torn), "a")
