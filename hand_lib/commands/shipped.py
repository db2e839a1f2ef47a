"""Which network, for ``export`` and ``predict``: one that comes with the package, or a reader's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn


def chosen_network(what: str) -> tuple[str, int, nn.Module]:
    """The network of a row that comes with the package, or one of a reader's own.

    Args:
        what: name of a row, or a file of weights.

    Returns:
        What it is, in words; the side of its pictures; the network on the CPU, in evaluation mode.

    Raises:
        HandLibError: neither a row in the package nor a file; a file that is no network of this package.
    """
    from hand_lib import cache
    from hand_lib.experiments import load_weights
    from hand_lib.live import find_shipped, get_shipped

    path = Path(what)
    if what in find_shipped() or (path.suffix != ".safetensors" and not cache.exists(path)):
        network = get_shipped(what)
        record = network.record
        title = f"{what}, profile {record['profile']}, seed {record['seed']}, rounded to eight bits"
        return title, network.size.image_size, network.network()
    found = load_weights(path, device="cpu")
    return f"{found.row}, profile {found.profile}, seed {found.seed}", found.network.image_size, found.model
