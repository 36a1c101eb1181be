"""Detectron2, MMDetection, MMSegmentation, timm, torchvision: a folder each."""
