"""A network as an ONNX file, for those who want a library to run it."""

from __future__ import annotations

import importlib.util
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from hand_lib.cache import readable_errors
from hand_lib.errors import HandLibError

_TOOLS = ("onnx", "onnxscript")


def write_onnx(network: nn.Module, side: int, path: Path) -> None:
    """Write a network with any number of pictures a batch.

    The input is called ``images``, ``(B, 3, side, side)`` in [0, 1]; the output ``joints``, ``(B, 21, 3)``, as
    :class:`hand_lib.models.network.HandPoseNet` gives them.

    Args:
        network: on the CPU, in evaluation mode.
        side: of its pictures, in pixels.
        path: appears whole or not at all.

    Raises:
        HandLibError: a tool for it is missing; the file cannot be written.
    """
    if missing := [name for name in _TOOLS if importlib.util.find_spec(name) is None]:
        raise HandLibError(f"missing {' and '.join(missing)}: pip install {' '.join(_TOOLS)}")
    pictures = torch.zeros(2, 3, side, side)
    with readable_errors(path), tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
        made = Path(folder) / path.name
        with warnings.catch_warnings(action="ignore"), _without_remarks():  # its own, about its own ways
            torch.onnx.export(
                network,
                (pictures,),
                made,
                input_names=["images"],
                output_names=["joints"],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        os.replace(made, path)


@contextmanager
def _without_remarks() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(max(before, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(before)
