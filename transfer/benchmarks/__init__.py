"""The transfer benchmarks: published settings, data layouts and splits. No framework is imported here."""

from distill.errors import unknown
from transfer.benchmarks import cityscapes, coco, voc
from transfer.benchmarks.protocol import ImageSize, Protocol

__all__ = ["BENCHMARKS", "ImageSize", "Protocol", "get_protocol"]

_ALL = (voc.VOC07_DET, voc.VOC12_SEG, coco.LOWSHOT_1K, coco.LOWSHOT_10K, cityscapes.CITYSCAPES_SEG)
BENCHMARKS: dict[str, Protocol] = {protocol.name: protocol for protocol in _ALL}


def get_protocol(name: str) -> Protocol:
    """The benchmark called ``name``; UserError with the valid names otherwise."""
    if name not in BENCHMARKS:
        raise unknown("benchmark", name, BENCHMARKS)
    return BENCHMARKS[name]
