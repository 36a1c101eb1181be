"""SimCLR's ResNet-50x4: four times as many channels everywhere, the stem included."""

from timm.models.resnet import Bottleneck, ResNet
from torch import nn


def resnet50x4() -> ResNet:
    """Images (B, 3, H, W) in [0, 1], not normalised -> features (B, 8192).

    Keys are torchvision's, as in the public PyTorch conversions of SimCLR's weights. 375.38 M parameters
    (CompRess Table A1; measured without a classifier).
    """
    width = 4
    model = ResNet(Bottleneck, [3, 4, 6, 3], num_classes=0, channels=(256, 512, 1024, 2048))
    # timm's stem always has 64 channels: replace the modules that depend on it.
    stem = 64 * width
    model.conv1 = nn.Conv2d(3, stem, kernel_size=7, stride=2, padding=3, bias=False)
    model.bn1 = nn.BatchNorm2d(stem)
    first = model.layer1[0]
    first.conv1 = nn.Conv2d(stem, stem, kernel_size=1, bias=False)
    first.downsample[0] = nn.Conv2d(stem, stem * Bottleneck.expansion, kernel_size=1, bias=False)
    model.feature_info[0]["num_chs"] = stem
    for module in (model.conv1, first.conv1, first.downsample[0]):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model
