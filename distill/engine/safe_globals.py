"""Lets torch read mmengine's own checkpoints without running code from them."""


def allow_mmengine_checkpoints() -> None:
    """Allow-lists the plain data classes in an mmengine training state.

    mmengine 0.10 saves its message hub (``HistoryBuffer``, NumPy arrays and scalars) beside the model;
    torch >= 2.6 refuses these under ``weights_only`` until they are named. All are inert data.
    """
    import numpy as np
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    core = np._core if hasattr(np, "_core") else np.core
    scalars = [type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")]
    torch.serialization.add_safe_globals(
        [HistoryBuffer, core.multiarray._reconstruct, core.multiarray.scalar, np.ndarray, np.dtype, *scalars]
    )
