"""Trains a linear layer behind the backbone to tell the mean colour of random pictures."""

import runpy
from pathlib import Path

import torch

from distill.backbones import Backbone
from transfer.jobs.job import Job


def train_and_test(job: Job) -> tuple[dict[str, float], int]:
    """Returns (metrics in percent, step the run was resumed from)."""
    config = runpy.run_path(str(Path(job.folder) / "config.py"))
    backbone = Backbone(config["arch"]).eval()
    head = torch.nn.Linear(backbone.width, 3)
    optimizer = torch.optim.SGD(head.parameters(), config["lr"])
    for _ in range(config["steps"]):
        images = torch.rand(4, 3, 32, 32)
        with torch.no_grad():
            features = backbone(images)
        loss = (head(features) - images.mean((2, 3))).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return {"toyness": 100 / (1 + loss.item())}, 0
