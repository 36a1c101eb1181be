"""One file a method. A new one needs this import, its loss, a config and two tests; nothing else."""

from distill.methods.binary_contrastive import BinaryContrastive
from distill.methods.byol import BYOL
from distill.methods.cluster_classification import ClusterClassification
from distill.methods.compress import CompRess
from distill.methods.crd import CRD
from distill.methods.moco import MoCo
from distill.methods.online_clustering import OnlineClustering
from distill.methods.oss import OSS
from distill.methods.oss_offline import OSSOffline
from distill.methods.pcd import PCD
from distill.methods.probabilistic_transfer import ProbabilisticTransfer
from distill.methods.regression import Regression
from distill.methods.seed import SEED
from distill.methods.simclr import SimCLR
from distill.methods.swav import SwAV

__all__ = [
    "BYOL", "CRD", "OSS", "PCD", "SEED", "BinaryContrastive", "ClusterClassification", "CompRess", "MoCo",
    "OSSOffline", "OnlineClustering", "ProbabilisticTransfer", "Regression", "SimCLR", "SwAV",
]  # fmt: skip
