"""The AlexNet that CompRess distils into: no dropout, no batch norm, features after ``fc7``."""

from torch import Tensor, nn


class AlexNet(nn.Module):
    """Images (B, 3, H, W), H and W at least 63 -> features (B, 4096).

    Layer sizes are torchvision's; ``feats`` holds fc6 and fc7, and the features are fc7 after its ReLU
    (CompRess section 4; parameter count with a 1000-way classifier 61.1 M, its Table A1).
    """

    num_features = 4096

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)  # does nothing at 224 px, and makes other sizes possible
        self.feats = nn.Sequential(nn.Linear(256 * 6 * 6, 4096), nn.ReLU(inplace=True), nn.Linear(4096, 4096))
        # timm's way of declaring maps; `reduction` is the nominal stride: unpadded pooling loses a border
        self.feature_info = [
            {"module": "features.1", "num_chs": 64, "reduction": 4},
            {"module": "features.4", "num_chs": 192, "reduction": 8},
            {"module": "features.7", "num_chs": 384, "reduction": 16},
            {"module": "features.9", "num_chs": 256, "reduction": 16},
            {"module": "features.11", "num_chs": 256, "reduction": 16},
            {"module": "features.12", "num_chs": 256, "reduction": 32},
        ]

    def forward_features(self, x: Tensor) -> Tensor:
        """The map after the last pooling, as in timm's networks: (B, 256, 6, 6) at 224 px."""
        return self.features(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.feats(self.avgpool(self.forward_features(x)).flatten(1)).relu()
