"""Checkpoints as their authors' code writes them, from networks with the same attribute names and layers.

Sizes are the official ones unless a test asks for smaller ones.
"""

import argparse
import copy

import timm
import torch
import torchvision
from torch import nn

from distill.modules.heads import mlp


def parts(**modules) -> nn.Module:
    """A module with these attributes."""
    whole = nn.Module()
    for name, module in modules.items():
        setattr(whole, name, module)
    return whole


def prefixed(module: nn.Module, prefix: str = "module.") -> dict:
    return {prefix + key: value for key, value in module.state_dict().items()}


def encoder_of(arch: str) -> tuple[nn.Module, str, int]:
    """A network with a classifier, the classifier's name and its input's width."""
    if arch.startswith("resnet"):
        net = getattr(torchvision.models, arch)()
        return net, "fc", net.fc.in_features
    net = timm.create_model(arch, num_classes=10)
    return net, "head", net.head.in_features


def bias_free(*widths: int, last_norm: bool) -> nn.Sequential:
    """MoCo-v3's and Barlow Twins' projectors: linear layers without bias; a last norm without affine."""
    layers = []
    for number, (inner, outer) in enumerate(zip(widths, widths[1:], strict=False)):
        layers.append(nn.Linear(inner, outer, bias=False))
        if number < len(widths) - 2:
            layers += [nn.BatchNorm1d(outer), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *([nn.BatchNorm1d(widths[-1], affine=False)] if last_norm else []))


# Each returns the file's content and the network that gives the head's embeddings. Networks that must not be
# taken are represented by their first layer.


def moco_v3(arch, hidden=4096, outer=256):
    net, place, width = encoder_of(arch)
    layers = (width, hidden, outer) if place == "fc" else (width, hidden, hidden, outer)
    setattr(net, place, bias_free(*layers, last_norm=True))
    predictor = bias_free(outer, hidden, outer, last_norm=True)
    model = parts(base_encoder=parts(conv1=nn.Conv2d(3, 4, 3)), momentum_encoder=net, predictor=predictor)
    named = arch if place == "fc" else "vit_base"
    return {"epoch": 300, "arch": named, "state_dict": prefixed(model), "optimizer": {}, "scaler": {}}, net


def byol_revisit_airl(arch, hidden=4096, outer=256):
    net, _, width = encoder_of(arch)
    net.fc = mlp(width, hidden, outer, norm=True)
    online = parts(conv1=nn.Conv2d(3, 4, 3), fc=mlp(width, hidden, outer, norm=True))
    online.fc.extend(mlp(outer, hidden, outer, norm=True))  # its predictor: fc.4 to fc.7
    model = parts(online_encoder=online, target_encoder=net)
    classifier = nn.Linear(width, 10).state_dict()
    return {"start_epoch": 200, "model": prefixed(model), "optimizer": {}, "classifier": classifier}, net


def byol_openselfsup(arch, hidden=4096, outer=256):
    net, _, width = encoder_of(arch)
    net.fc, neck = nn.Identity(), parts(mlp=mlp(width, hidden, outer, norm=True))
    stem = parts(conv1=nn.Conv2d(3, 4, 3))
    predictor = parts(predictor=parts(mlp=mlp(outer, hidden, outer, norm=True)))
    model = parts(
        online_net=nn.Sequential(stem, copy.deepcopy(neck)),
        target_net=nn.Sequential(net, neck),
        backbone=stem,
        head=predictor,
    )
    return {"meta": {}, "state_dict": model.state_dict()}, nn.Sequential(net, neck.mlp)


def byol_lightly(arch, hidden=4096, outer=256):
    net, _, width = encoder_of(arch)
    net.fc = nn.Identity()

    def head(inner):
        layers = bias_free(inner, hidden, outer, last_norm=False)
        layers[-1] = nn.Linear(hidden, outer)
        return parts(layers=layers)

    model = parts(
        backbone=parts(conv1=nn.Conv2d(3, 4, 3)),
        projection_head=head(width),
        prediction_head=head(outer),
        teacher_backbone=net,
        teacher_projection_head=head(width),
        online_classifier=nn.Linear(width, 10),
    )
    return {"state_dict": model.state_dict()}, nn.Sequential(net, model.teacher_projection_head.layers)


def barlow_twins(arch, hidden=8192, outer=8192):
    net, _, width = encoder_of(arch)
    net.fc = nn.Identity()
    projector = bias_free(width, hidden, hidden, outer, last_norm=False)
    model = parts(backbone=net, projector=projector, bn=nn.BatchNorm1d(outer, affine=False))
    return {"epoch": 1000, "model": prefixed(model), "optimizer": {}}, nn.Sequential(net, projector)


def dino(arch, hidden=2048, outer=256):
    net, place, width = encoder_of(arch)
    setattr(net, place, nn.Identity())
    last = nn.ParameterDict({"weight_g": torch.zeros(64, 1), "weight_v": torch.zeros(64, outer)})
    layers = [
        nn.Linear(width, hidden),
        nn.GELU(),
        nn.Linear(hidden, hidden),
        nn.GELU(),
        nn.Linear(hidden, outer),
    ]
    model = parts(backbone=net, head=parts(mlp=nn.Sequential(*layers), last_layer=last))
    # networks with batch norms are wrapped in DistributedDataParallel
    teacher = prefixed(model, "module." if place == "fc" else "")
    settings = argparse.Namespace(arch="vit_small", lr=0.0005)
    return {"student": {}, "teacher": teacher, "optimizer": {}, "epoch": 100, "args": settings}, net
