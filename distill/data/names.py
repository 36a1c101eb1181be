"""Many names as arrays, which processes share without a copy each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

AT_ONCE = 1 << 14  # names that an iteration takes out of the arrays in one go


class Names(Sequence[str]):
    """File names in a fixed order.

    A list of a million strings takes more than 100 MB, and takes them again in every worker, because
    counting references to a string writes to its page. Arrays are only read: forked workers share them, and
    a file that holds them can be mapped.

    Args:
        text: (B,) uint8, the names in UTF-8; bytes of a name that are not UTF-8 stay as they are.
        starts, ends: (N,) int64, where each name lies in ``text``.
    """

    def __init__(self, text: np.ndarray, starts: np.ndarray, ends: np.ndarray):
        self.text, self.starts, self.ends = text, starts, ends

    @classmethod
    def of(cls, names: Iterable[str]) -> Names:
        """The same names as arrays; ``Names`` stay what they are."""
        if isinstance(names, Names):
            return names
        parts = [name.encode(errors="surrogateescape") for name in names]
        text = np.frombuffer(b"".join(parts), np.uint8)
        return cls.from_offsets(text, _offsets(map(len, parts), len(parts)))

    @classmethod
    def from_offsets(cls, text: np.ndarray, offsets: np.ndarray) -> Names:
        """Names one after another: name i is ``text[offsets[i] : offsets[i + 1]]``; ``offsets`` (N + 1,)."""
        return cls(text, offsets[:-1], offsets[1:])

    def to_offsets(self) -> tuple[np.ndarray, np.ndarray]:
        """``text`` and ``offsets`` of ``from_offsets``."""
        offsets = _offsets(self.ends - self.starts, len(self))
        if len(self) and np.array_equal(offsets[1:] + self.starts[0], self.ends):  # they lie so already
            return self.text[self.starts[0] : self.ends[-1]], offsets
        encoded = (name.encode(errors="surrogateescape") for name in self)
        return np.frombuffer(b"".join(encoded), np.uint8), offsets

    def take(self, rows: np.ndarray) -> Names:
        """The names with these numbers, in that order; the text is shared."""
        return Names(self.text, self.starts[rows], self.ends[rows])

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, item: int | slice) -> str | Names:
        if isinstance(item, slice):
            return Names(self.text, self.starts[item], self.ends[item])
        return self.text[self.starts[item] : self.ends[item]].tobytes().decode(errors="surrogateescape")

    def __iter__(self) -> Iterator[str]:
        text = memoryview(self.text)
        for first in range(0, len(self), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            for start, end in zip(self.starts[part].tolist(), self.ends[part].tolist(), strict=True):
                yield str(text[start:end], "utf-8", "surrogateescape")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Names | tuple | list):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, self[:3]))
        return f"<{len(self)} names: {shown}{', ...' if len(self) > 3 else ''}>"


def printable(path: str) -> str:
    """A path as it may be shown: bytes that are not UTF-8 as ``\\udce9``."""
    return path.encode(errors="backslashreplace").decode()


def _offsets(lengths: Iterable[int], count: int) -> np.ndarray:
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, count), out=offsets[1:])
    return offsets
