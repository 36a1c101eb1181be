"""Their data is nowhere."""

benchmark = dict(title="Sand", source="nowhere", data="coco", seeds=1, headline="height", smoke="smoke.py")
