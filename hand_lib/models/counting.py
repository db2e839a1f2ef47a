"""How large and how costly a network is: parameters and multiply-adds of the backbone and of the rest (Table 2)."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hand_lib.models.catalogue import rows_and_variants
from hand_lib.models.size import NetworkSize


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Size and cost of a network for one picture.

    The head is everything but the backbone: with refinement, the further stages' own last blocks belong to it.
    Multiply-adds are those of convolutions and linear layers, one for each product added, as really computed; what is
    done element by element (batch normalisation, ReLU, softmax) is not counted.

    Attributes:
        params: parameters.
        head_params: parameters outside the backbone.
        macs: multiply-adds for one picture.
        head_macs: multiply-adds outside the backbone.
        head_macs_output_grid: the same, with a transposed convolution charged its whole kernel at every cell of its
            **output** grid, as some counters do. It computes only a stride²-th of that: between the cells of its
            input there is nothing to multiply.
    """

    params: int
    head_params: int
    macs: int
    head_macs: int
    head_macs_output_grid: int


def count(model: nn.Module, image_size: int) -> Counts:
    """Count a network's parameters and its multiply-adds for one picture ``image_size`` pixels wide and high.

    Nothing is computed: a copy without data goes through the network's shapes.

    Args:
        model: a network with a ``backbone``.
        image_size: side of the square picture in pixels.
    """
    params = sum(p.numel() for p in model.parameters())
    backbone_params = sum(p.numel() for p in model.backbone.parameters())
    model = without_normalisation(copy.deepcopy(model).to("meta")).eval()
    image = torch.empty(1, 3, image_size, image_size, device="meta")
    macs = multiply_adds(model, image)
    backbone_macs = multiply_adds(model.backbone, image)
    transposed = any(isinstance(module, nn.ConvTranspose2d) for module in model.modules())
    macs_output_grid = multiply_adds(model, image, output_grid=True) if transposed else macs
    return Counts(
        params=params,
        head_params=params - backbone_params,
        macs=macs,
        head_macs=macs - backbone_macs,
        head_macs_output_grid=macs_output_grid - backbone_macs,
    )


def without_normalisation(model: nn.Module) -> nn.Module:
    """The model, in place, without its batch normalisations: they have no products here, and take half the time."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.modules.batchnorm._BatchNorm):
                setattr(module, name, nn.Identity())
    return model


@torch.no_grad()
def multiply_adds(model: nn.Module, image: torch.Tensor, *, output_grid: bool = False) -> int:
    """Multiply-adds of one call; with ``output_grid``, transposed convolutions counted on their output grid."""
    mapping = {torch.ops.aten.convolution: output_grid_flops} if output_grid else None
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        model(image)
    return counter.get_total_flops() // 2  # the counter has two operations a multiply-add


def output_grid_flops(x, weight, bias, stride, padding, dilation, transposed, *args, out_shape, **kwargs) -> int:
    """Operations of a convolution as if its whole kernel were applied at every output cell."""
    batch, channels = x[0], x[1]
    channels_out = out_shape[1]
    weights_a_cell = channels * channels_out if transposed else weight[0] * weight[1]
    return 2 * batch * weights_a_cell * math.prod(weight[2:]) * math.prod(out_shape[2:])


def table(*, depth: int = 50, image_size: int = 256, width: int = 64, final_stride: int = 2) -> list[dict]:
    """Every row's and variant's counts at one size, beside what the paper prints.

    Args:
        depth: of the ResNet: 18, 34, 50, 101 or 152.
        image_size: side of the picture in pixels.
        width: of the backbone.
        final_stride: of the backbone.

    Returns:
        A dict each, the rows in the papers' order, then the variants: ``row``, ``title``, ``table_id``, the fields of
        :class:`Counts` (plain integers), and ``paper``: ``params``, ``head_params`` (10⁶), ``macs``, ``head_macs``
        (10⁹), ``epe`` (mm) and ``auc``, each None where the paper prints none, and None for a variant. Its sizes are
        printed for ResNet-50 at 256 px only, its errors for 256 px.

    Raises:
        HandLibError: for a depth or size that no backbone has.
    """
    size = NetworkSize(depth=depth, width=width, image_size=image_size, final_stride=final_stride)
    lines = []
    for row in rows_and_variants().values():
        with torch.device("meta"):
            model = row.build(size)
        lines.append(
            {
                "row": row.name,
                "title": row.title,
                "table_id": row.table_id,
                **asdict(count(model, image_size)),
                "paper": row.paper.at(size) if row.paper else None,
            }
        )
    return lines
