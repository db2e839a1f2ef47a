"""What is compared on: predictions that are wrong in several ways, and submissions of them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hand_lib.datasets.real import Reader, to_samples
from hand_lib.samples import Samples

HANDS = 6  # of each data set


def wrong(xyz: Tensor) -> Tensor:
    """Predictions that are wrong in several ways: noise, and one hand each too large, turned, moved and mirrored."""
    generator = torch.Generator().manual_seed(0)
    pred = xyz.double() + 8 * torch.randn(xyz.shape, generator=generator, dtype=torch.float64)
    middle = xyz.double().mean(1, keepdim=True)
    turn = torch.linalg.matrix_exp(torch.tensor([[0, -0.5, 0.2], [0.5, 0, -0.3], [-0.2, 0.3, 0]], dtype=torch.float64))
    pred[0] = 1.3 * (pred[0] - middle[0]) + middle[0]
    pred[1] = (pred[1] - middle[1]) @ turn.T + middle[1]
    pred[2] += torch.tensor([30.0, -20.0, 40.0], dtype=torch.float64)
    pred[3] = (pred[3] - middle[3]) * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64) + middle[3]
    return pred


def read_all(reader: Reader) -> Samples:
    return to_samples([reader.hand(index) for index in range(len(reader))])


def spied(evaluator: type) -> tuple[type, list[tuple]]:
    """Their evaluator, and a list that will hold all that its instances return, with every digit."""
    returned: list[tuple] = []

    class Spied(evaluator):
        def get_measures(self, *arguments):
            returned.append(super().get_measures(*arguments))
            return returned[-1]

    return Spied, returned


def submitted(root: Path, write: Callable[[Path], None]) -> np.ndarray:
    """Write a submission with our code, unpack it into a folder, and give its joints ``(N, 21, 3)``."""
    write(root / "pred.zip")
    with zipfile.ZipFile(root / "pred.zip") as archive:
        archive.extract("pred.json", root)
    return np.array(json.loads((root / "pred.json").read_text())[0])
