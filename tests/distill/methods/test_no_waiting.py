"""A step never reads a number back to the host, which would wait for all that a GPU has still to do."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from distill.losses import Normaliser
from distill.methods.base import Method, Progress
from distill.methods.online_clustering import OnlineKMeans
from distill.modules.prototypes import Codes
from distill.registry import MODELS, TRANSFORMS
from tests.distill.methods.small import SMALL, Inputs, small_config

# operators whose result, or the shape of it, the host must wait for
READS = {"_local_scalar_dense", "nonzero", "masked_select", "unique_dim", "_unique2", "equal", "bincount"}


class WaitsForTheDevice(RuntimeError):
    pass


class NothingIsRead(TorchDispatchMode):
    """Inside ``with``: an operator that waits for the device fails, on a CPU as well."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        name = operator.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_", "_index_put_impl_") and any(
            part is not None and part.dtype in (torch.bool, torch.uint8) for part in args[1]
        )
        if name in READS or masks:
            raise WaitsForTheDevice(name)
        return operator(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: float(x[0]),
        lambda x: bool((x > 0).any()),
        lambda x: x[x > 0],
        lambda x: x.masked_fill_(x > 0, 1)[x == 1],
        lambda x: x.__setitem__(x > 0, x[0]),
        lambda x: x.nonzero(),
        lambda x: x.unique(),
    ],
)
def test_what_would_wait_is_noticed(read):
    with NothingIsRead(), pytest.raises(WaitsForTheDevice):
        read(torch.arange(3.0))


def build(name: str, inputs: Inputs, device: str = "cpu") -> tuple[Method, dict]:
    """A method in training and a batch for it."""
    config = small_config(name, inputs)
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("distill"):
        method = MODELS.build(config.model).to(device).train()
    sizes = TRANSFORMS.build(config.train_dataloader.dataset.augmentation).sizes
    views = [torch.randint(0, 256, (4, 3, size, size), dtype=torch.uint8) for size in sizes]
    data = {"views": views, "index": torch.tensor([3, 1, 2, 3]), "unreadable": []}
    if (rows := method.rows()) is not None:
        data["rows"] = torch.stack([torch.from_numpy(rows[index]) for index in data["index"].tolist()])
    return method, data


@pytest.mark.parametrize("name", SMALL)
def test_a_step_reads_nothing(name, method_inputs):
    """From the third step on: what is looked at until queues are full and centres are there is known then."""
    method, data = build(name, method_inputs)
    for step in range(2):
        method.progress = Progress(step, steps=9)
        sum(method(**data, mode="loss").values()).backward()
    method.progress = Progress(2, steps=9)
    with NothingIsRead():
        loss, _ = method.parse_losses(method(**data, mode="loss"))
        loss.backward()
    assert loss.isfinite()


def test_what_is_known_without_a_look_is_looked_at_again_after_another_state_is_loaded():
    vectors = F.normalize(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    normaliser, codes, clustering = Normaliser(), Codes(3, 4), OnlineKMeans(3, 4)
    start = copy.deepcopy([module.state_dict() for module in (normaliser, codes, clustering)])
    found = []
    for _ in range(2):
        for module, state in zip((normaliser, codes, clustering), start, strict=True):
            module.load_state_dict(state)
        for batch in (vectors, -vectors, vectors):
            log_mean = normaliser(batch).clone()
            code = codes(torch.stack([batch, batch]), vectors, use_queue=True)
            there = clustering.fill(batch)
            clustering.update(batch, (batch @ clustering.centres.T).argmax(1))
            found.append([log_mean, code, there, clustering.centres.clone()])
    for first, again in zip(found[:3], found[3:], strict=True):
        assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))


@pytest.mark.gpu
@pytest.mark.parametrize("name", SMALL)
def test_a_step_does_not_wait_for_the_gpu(name, method_inputs):
    """The whole step, from pinned memory to the optimiser."""
    method, data = build(name, method_inputs, "cuda")
    data = {key: [v.pin_memory() for v in value] if key == "views" else value for key, value in data.items()}
    data |= {key: data[key].pin_memory() for key in ("index", "rows") if key in data}
    trained = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimizer = OptimWrapper(torch.optim.SGD(trained, 0.01, momentum=0.9, fused=True))
    for step in range(4):
        method.progress = Progress(step, steps=9)
        torch.cuda.set_sync_debug_mode("error" if step > 1 else "default")
        try:
            losses = method.train_step(data, optimizer)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert losses["loss"].isfinite()
