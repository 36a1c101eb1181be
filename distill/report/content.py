"""What a report is made of, before it is HTML or Markdown."""

from dataclasses import dataclass

from distill.report.blocks import Block, Model
from distill.report.origins import Origin
from distill.report.pictures import Picture
from distill.report.runs import Run
from distill.report.sweeps import Sweep


@dataclass(frozen=True)
class Content:
    """``rows``: all that count, oldest first; ``superseded``: how many older ones do not."""

    blocks: list[Block]
    sweeps: list[Sweep]
    origins: dict[Model, Origin]
    runs: list[Run]
    pictures: list[Picture]
    rows: list[dict]
    superseded: int
