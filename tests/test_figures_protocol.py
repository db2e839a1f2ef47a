"""Theirs, ours, why: the table says what trains, and gives a reason wherever the two differ."""

from __future__ import annotations

import pytest
import torch

from hand_lib.experiments import PROFILES
from hand_lib.figures.protocol import NOT_PRINTED, SAME, network_words, protocol_table
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize

every_profile = pytest.mark.parametrize("profile", ["smoke", "quick", "long", "full", "paper"])


def lines(profile: str) -> dict[str, tuple[str, ...]]:
    return {line[0]: line[1:] for line in protocol_table(profile).rows}


@every_profile
def test_what_differs_has_a_reason_and_what_is_the_same_says_so(profile):
    table = protocol_table(profile)
    assert profile in table.header[2] and table.align == "left"
    for name, theirs, ours, why in table.rows:
        assert theirs and ours and why, name
        assert (why == SAME) == (theirs == ours), name


def test_theirs_is_the_papers_section_3_2():
    theirs = {name: line[0] for name, line in lines("quick").items()}
    wanted = {
        "start of the backbone": "ImageNet",
        "picture": "256 px",
        "grid of X": "8 × 8, a cell each 32 px",
        "grid of F⁰": "16 × 16, a cell each 16 px",
        "heads × maps": "8 × 8",
        "crops are turned by": "± 180°",
        "crops are changed otherwise": "size × 0.9 to 1.1, shifted by ± 10 px of 256, colours ± 20%",
        "batch": "64",
        "epochs": "30",
        "learning rate of Adam": "0.0003",
        "hands": "41,258",
        "hidden units of a decoder or head": NOT_PRINTED,
    }
    for name, text in wanted.items():
        assert text in theirs[name], name


@every_profile
def test_ours_is_what_the_profile_trains(profile):
    own, said = PROFILES[profile], {name: line[1] for name, line in lines(profile).items()}
    assert said["steps"] == f"{own.steps:,}" and said["batch"] == str(own.batch_size)
    assert float(said["epochs"]) == pytest.approx(own.steps * own.batch_size / own.training_count, rel=0.01)
    with torch.device("meta"):
        network = ROWS["maps"].build(own.network)
        X = network.backbone(torch.empty(1, 3, own.network.image_size, own.network.image_size))
    assert said["grid of X"].startswith(f"{X.shape[2]} × {X.shape[3]},")
    units = said["hidden units of a decoder or head"].replace("\N{NO-BREAK SPACE}", " ").split(", ")
    units = [unit.replace("\N{NON-BREAKING HYPHEN}", "-") for unit in units]
    assert f"ID-5: 21 × {network.decoder.transforms.first.weight.shape[1]}" in units and len(units) == 7


def test_a_network_that_is_not_the_published_one_is_told_from_it():
    assert "R-18" not in network_words(NetworkSize()) and "64 channels" in network_words(NetworkSize())
    small = network_words(PROFILES["quick"].network)
    assert "16 channels" in small and "64 px" in small and "R-18 has 64 channels, pictures of 256 px" in small
