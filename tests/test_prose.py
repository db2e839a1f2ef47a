"""The prose: links lead somewhere, citations exist, commands parse, and the errata's arithmetic is right."""

from __future__ import annotations

import importlib
import json
import math
import pkgutil
import re
import shlex
from pathlib import Path

import pytest
import torch
import yaml
from pybtex.database import parse_file
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import hand_lib
from hand_lib.__main__ import make_parser
from hand_lib.models.groups.rows import DEPTH_WEIGHT
from hand_lib.models.rows import ROWS
from hand_lib.models.size import NetworkSize
from hand_lib.skeleton import JOINTS, PARENTS

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(BOOK.rglob("*.md"))]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def markdown_of(path: Path) -> str:
    """A page's text; of a notebook, its Markdown cells."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        return "\n\n".join(
            "".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"
        )
    return text


# ------------------------------------------------------------------------------------------------------- links, names

# Pages that are written when the book is staged.
MADE_AT_STAGING = {
    "results_table.md",
    "public_results_table.md",
    "ladder_map.md",
    "own_hand_place.md",
    "own_hand_errors.md",
    "run_time_speed.md",
    "run_time_rounding.md",
}


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=name)
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", markdown_of(page))
    for target in targets:
        if re.match(r"[a-z]+://|#|mailto:", target):
            continue
        assert (page.parent / target.partition("#")[0]).is_file(), f"{name(page)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_included_files_exist_or_are_made_at_staging(page: Path) -> None:
    for target in re.findall(r"```\{include\}\s+(\S+)", page.read_text(encoding="utf-8")):
        assert target in MADE_AT_STAGING or (page.parent / target).is_file(), f"{name(page)} includes {target}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_notebooks_named_in_the_text_exist(page: Path) -> None:
    known = {notebook.stem for notebook in NOTEBOOKS}
    for chapter in re.findall(r"\b(\d\d_\w+)\.ipynb", page.read_text(encoding="utf-8")):
        assert chapter in known, f"{name(page)} names {chapter}"


def test_the_introduction_lists_every_chapter_in_order() -> None:
    text = (BOOK / "intro.md").read_text()
    listed = re.findall(r"^\d+\. \[[^]]+\]\(\.\./notebooks/(\w+)\.ipynb\)", text, re.M)
    assert listed == [notebook.stem for notebook in NOTEBOOKS if not notebook.stem.startswith("page_")]
    for page in NOTEBOOKS:
        assert f"(../notebooks/{page.name})" in text, f"the introduction does not link to {page.name}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CITATION.cff", BOOK / "references.bib"], ids=name)
def test_no_leftovers(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"\bTODO\b|\bFIXME\b|\bXXX\b", text)
    assert not re.search(r"(?<![\w.}])/(home|work|root|tmp|Users|mnt|opt|srv|var)/", text), "an absolute machine path"


# ----------------------------------------------------------------------------------------------------------- commands


def commands() -> list[tuple[str, list[str]]]:
    """Each ``python -m hand_lib …`` that a page shows, with the page's name."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for line in re.findall(r"-m hand_lib(?![\w.])([^\n`#]*)", text):
            found.append((name(page), shlex.split(line)))
    return found


def test_commands_in_the_text_parse() -> None:
    shown = commands()
    assert shown
    for page, words in shown:
        # "NAME" and "NN" stand for what the reader puts in.
        words = [{"NAME": "afr", "NN": "4"}.get(word, word) for word in words]
        try:
            make_parser(words).parse_args(words)
        except SystemExit:
            pytest.fail(f"{page}: python -m hand_lib {shlex.join(words)} does not parse")


def test_make_targets_in_the_text_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    for page in PAGES:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.M):
            assert target in targets, f"{name(page)}: make {target}"


# ---------------------------------------------------------------------------------------------------------- citations


def test_every_citation_exists_and_every_entry_is_cited() -> None:
    entries = set(parse_file(BOOK / "references.bib").entries)
    cited: set[str] = set()
    for page in [*PAGES, *NOTEBOOKS]:
        for keys in re.findall(r"\{cite(?::[a-z]+)?\}`([^`]+)`", markdown_of(page)):
            for key in keys.split(","):
                assert key.strip() in entries, f"{name(page)} cites {key}"
                cited.add(key.strip())
    assert cited == entries, f"never cited: {sorted(entries - cited)}"


def test_entries_have_what_a_reader_needs_to_find_them() -> None:
    for key, entry in parse_file(BOOK / "references.bib").entries.items():
        assert entry.persons.get("author"), key
        assert {"title", "year"} <= set(entry.fields), key
        assert {"journal", "booktitle", "publisher", "institution", "school"} & set(entry.fields), key


def test_the_readme_cites_the_papers_as_the_bibliography_does() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bibtex\n(.*?)```", readme, re.S)
    bibliography = (BOOK / "references.bib").read_text(encoding="utf-8")
    entries = [entry.strip() for entry in block.strip().split("\n\n")]
    assert len(entries) == 2
    for entry in entries:
        assert entry in bibliography


def test_citation_file() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "license", "version"} <= set(citation)
    assert str(citation["cff-version"]) == "1.2.0"
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{citation["version"]}"' in project
    for author in citation["authors"]:
        assert "name" in author or {"family-names", "given-names"} <= set(author)
    bibliography = parse_file(BOOK / "references.bib").entries
    titles = {re.sub(r"[{}]", "", entry.fields["title"]) for entry in bibliography.values()}
    assert len(citation["references"]) == 2
    for reference in citation["references"]:
        assert {"type", "title", "authors", "year"} <= set(reference)
        assert reference["title"] in titles


# ---------------------------------------------------------------------------------------------------------- API pages


def documented() -> set[str]:
    return {
        module
        for page in (BOOK / "api").glob("*.md")
        for module in re.findall(r"\.\. automodule:: (\S+)", page.read_text(encoding="utf-8"))
    }


def test_api_pages_show_modules_that_exist() -> None:
    for module in documented():
        importlib.import_module(module)


def test_every_public_module_is_on_an_api_page() -> None:
    modules = {module.name for module in pkgutil.walk_packages(hand_lib.__path__, "hand_lib.")}
    public = {module for module in modules if not any(part.startswith("_") for part in module.split("."))}
    assert public <= documented(), f"on no API page: {sorted(public - documented())}"


def test_the_table_of_joints_is_the_skeleton() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \| (\d+|none) \|$", (BOOK / "api" / "skeleton.md").read_text(), re.M)
    expected = [
        (str(i), joint, "none" if parent < 0 else str(parent))
        for i, (joint, parent) in enumerate(zip(JOINTS, PARENTS, strict=True))
    ]
    assert rows == expected


# ------------------------------------------------------------------------------------------------------------- errata


@pytest.fixture(scope="module")
def errata() -> str:
    return re.sub(r"\s+", " ", (BOOK / "errata.md").read_text(encoding="utf-8"))


def area_bound(epe_mm: float, threshold_mm: float) -> float:
    """AUC[0, T] is at least this: 1 − E[min(e, T)] / T, and min(e, T) ≤ e."""
    return 1 - epe_mm / threshold_mm


def test_the_bound_is_below_the_area() -> None:
    errors = torch.distributions.Gamma(2.0, 0.2).sample((2_000,))  # millimetres, some beyond 50
    thresholds = torch.linspace(0, 50, 5001)
    curve = (errors[:, None] <= thresholds).float().mean(0)
    area = torch.trapezoid(curve, thresholds).item() / 50
    assert area == pytest.approx(1 - errors.clamp(max=50).mean().item() / 50, abs=1e-3)
    assert area > area_bound(errors.mean().item(), 50)


# Table 1 of JAR: EPE, AUC, and the printed differences to the first row.
JAR_TABLE_1 = [
    (14.90, 0.918, 0.00, 0.000),
    (14.08, 0.927, 0.82, 0.009),
    (13.84, 0.938, 1.06, 0.020),
    (12.53, 0.945, 2.37, 0.027),
    (12.21, 0.948, 2.69, 0.030),
    (12.10, 0.949, 2.80, 0.031),
    (11.68, 0.954, 3.22, 0.036),
    (11.30, 0.957, 3.60, 0.039),
    (11.19, 0.958, 3.71, 0.040),
    (10.97, 0.961, 3.93, 0.043),
    (10.87, 0.961, 4.03, 0.043),
]


def test_table_1_of_jar_adds_up() -> None:
    first = JAR_TABLE_1[0]
    for epe, area, gain, area_gain in JAR_TABLE_1:
        assert first[0] - epe == pytest.approx(gain, abs=1e-9)
        assert area - first[1] == pytest.approx(area_gain, abs=1e-9)
    epes = [row[0] for row in JAR_TABLE_1]
    quoted = {(0, 4): 2.69, (4, 5): 0.11, (5, 6): 0.42, (6, 7): 0.38, (7, 8): 0.11, (8, 9): 0.22, (9, 10): 0.10}
    for (before, after), gain in quoted.items():
        assert epes[before] - epes[after] == pytest.approx(gain, abs=1e-9)


def test_freihand_areas_of_jar_are_over_0_to_50(errata: str) -> None:
    for epe, area in [(7.3, 0.856), (6.8, 0.865), (6.5, 0.870)]:
        bound = area_bound(epe, 50)
        assert f"| {epe} | {bound:.3f} | {area:.3f} |" in errata
        assert 0 <= area - bound < 0.003


@pytest.mark.parametrize("row", [0, -1])
def test_rhd_areas_of_jar_do_not_start_at_zero(errata: str, row: int) -> None:
    epe, area = JAR_TABLE_1[row][:2]
    within = 50 * (1 - area)  # E[min(e, 50)]
    beyond = epe - within  # E[max(e - 50, 0)]
    share = within / 50  # an upper bound of the share of joints with e > 50
    far = 50 + beyond / share
    assert f"{far:.0f}" in errata
    assert far > 180  # a hand's length, mm
    if row == 0:
        for text in (
            f"= {within:.2f}$ mm",
            f"{beyond:.2f} mm",
            f"= {100 * share:.1f}$ %",
            f"{beyond:.2f} / {share:.3f}",
        ):
            assert text in errata


def test_table_3_of_jar_mixes_two_models(errata: str) -> None:
    assert f"1 - 8.6 / 50 = {area_bound(8.6, 50):.3f}" in errata
    assert 0.842 - area_bound(8.6, 50) > 0.01
    assert abs(0.842 - area_bound(7.96, 50)) < 0.003


def test_table_1_of_the_groups_paper_is_in_centimetres_and_over_0_to_50(errata: str) -> None:
    for epe_cm, area in [(0.932, 0.816), (0.862, 0.830), (0.856, 0.831), (0.796, 0.842)]:
        fifty, hundred = area_bound(10 * epe_cm, 50), area_bound(10 * epe_cm, 100)
        assert f"| {epe_cm} | {fifty:.3f} | {hundred:.3f} | {area:.3f} |" in errata
        assert 0 <= area - fifty < 0.004
        assert area < hundred  # so it is not the area over 0–100 mm
    for groups_cm, jar_mm in [(3.5, 35.0), (1.33, 13.3), (1.1, 10.9), (0.84, 8.4)]:
        assert str(groups_cm) in errata and f"{jar_mm}" in errata
        assert 10 * groups_cm == pytest.approx(jar_mm, rel=0.01)


def test_thresholds_of_the_groups_code(errata: str) -> None:
    thresholds = torch.linspace(0, 50, 20, dtype=torch.float64)
    kept = thresholds[thresholds >= 20]
    assert len(kept) == 12
    assert f"= {kept[0]:.2f}$ mm" in errata
    assert f"{thresholds[1]:.2f} mm apart" in errata


def test_the_unit_of_beta(errata: str) -> None:
    assert f"$20 \\cdot 2 / 255 = {20 * 2 / 255:.3f}$" in errata
    assert pytest.approx(20 * 2 / 255) == DEPTH_WEIGHT


def test_rhd_counts(errata: str) -> None:
    assert "41,285 training samples" in errata and "41,258, numbered from 0 to 41,257" in errata
    assert sorted("41285") == sorted("41258")
    assert 66_034 + 11_524 == 77_558  # HO-3D, as JAR prints it


def test_channels_a_joint(errata: str) -> None:
    for channels in (512, 2048):
        assert channels % 21 != 0
        assert f"${channels} / 21 = {channels / 21:.2f}$" in errata
    assert 21 * 8 * 8 == 1344


def test_printed_heatmap_grows_and_corrected_one_falls(errata: str) -> None:
    variance = 1.7**2
    printed = [math.exp(distance / variance) for distance in (0, 1, 5)]
    corrected = [math.exp(-(distance**2) / variance) for distance in (0, 1, 5)]
    assert printed == sorted(printed) and corrected == sorted(corrected, reverse=True)
    for text in (
        rf"\exp(1 / {variance:.2f}) = {printed[1]:.2f}",
        rf"\exp(5 / {variance:.2f}) = {printed[2]:.2f}",
        rf"\exp(-1 / {variance:.2f}) = {corrected[1]:.2f}",
        rf"\exp(-25 / {variance:.2f}) = {corrected[2]:.4f}",
    ):
        assert text in errata


def test_the_printed_selector_has_no_temperature(errata: str) -> None:
    scores = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for temperature in (5.0, 0.1):
        term = scores.exp() / temperature
        torch.testing.assert_close(term / term.sum(), scores.softmax(0))
    for temperature in (5.0, 1.0, 0.1):
        first, second = (scores / temperature).softmax(0).tolist()
        assert f"({first:.3f}, {second:.3f})" in errata
    after = 5 - 0.1 * 50_000 / 1_000
    assert after == pytest.approx(0)
    torch.testing.assert_close((scores + 1 / 3).softmax(0), (scores + 1 / 2).softmax(0))


def multiply_adds(module: nn.Module, *inputs: torch.Tensor) -> int:
    """Multiply-adds of one forward pass, by PyTorch's own counter (which counts operations, two each)."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(*inputs)
    return counter.get_total_flops() // 2


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_table_2_of_jar(errata: str) -> None:
    with torch.device("meta"):
        networks = {name: ROWS[name].build(NetworkSize(depth=50)).eval() for name in ("heatmap25d", "afr", "multihead")}
        image, features = torch.empty(1, 3, 256, 256), torch.empty(1, 2048, 8, 8)
    backbone = networks["afr"].backbone
    heads = {name: nn.Sequential(net.representation, net.decoder) for name, net in networks.items()}

    total = parameters(backbone)
    assert f"{total / 1e6:.3f} M" in errata
    printed = {"heatmap25d": (10.5, 34.0), "afr": (8.5, 32.0), "multihead": (5.4, 28.9)}
    for name_, (of_head, of_all) in printed.items():
        count = parameters(heads[name_])
        assert f"| {count / 1e6:.3f} M | {of_head} M |" in errata
        assert round(count / 1e6, 1) == of_head
        assert round((total + count) / 1e6, 1) == of_all

    cost = multiply_adds(backbone, image)
    detection, average, joint_aware = (multiply_adds(head, features) for head in heads.values())
    assert f"cost {cost / 1e9:.2f} G multiply-adds at 256×256" in errata and f"{2 * cost / 1e9:.2f} G" in errata
    assert f"AFR needs {average / 1e9:.3f} G" in errata
    assert f"JAR needs {joint_aware / 1e9:.3f} G" in errata
    for head in (average, joint_aware):
        assert round(head / 1e9, 1) == 0.2
        assert round((cost + head) / 1e9, 1) == 5.6
    assert f"cost {8.5e6 / 1e9:.4f} G" in errata  # a multiply-add a weight

    assert f"**{detection / 1e9:.3f} G**" in errata
    assert f"about {detection / joint_aware:.0f} times" in errata
    assert f"suggest {7.6 / 0.2:.0f} times" in errata
    assert f"about {(cost + detection) / 1e9:.1f} G in truth" in errata


def test_transposed_convolutions_of_table_2(errata: str) -> None:
    with torch.device("meta"):
        head = ROWS["heatmap25d"].build(NetworkSize(depth=50)).eval().representation
        features = torch.empty(1, 2048, 8, 8)
    cost = multiply_adds(head, features)
    grids: list[tuple[int, int, int]] = []  # weights, input cells, output cells

    def keep(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        grids.append((layer.weight.numel(), math.prod(inputs[0].shape[-2:]), math.prod(output.shape[-2:])))

    for module in head.modules():
        if isinstance(module, nn.ConvTranspose2d | nn.Conv2d):
            module.register_forward_hook(keep)
    head(features)

    assert len(grids) == 4
    for weights, cells, _ in grids:
        assert f"| {weights:,} | {cells:,} | {weights * cells / 1e9:.3f} G |" in errata
    assert cost == sum(weights * cells for weights, cells, _ in grids)
    on_output_grid = sum(weights * cells for weights, _, cells in grids)
    assert f"That gives {on_output_grid / 1e9:.3f} G" in errata
    assert round(on_output_grid / 1e9, 1) == 7.6


def test_a_mirror_with_an_unmoved_principal_point_shears() -> None:
    """The errata's formula: x is off by (W − 1 − 2 c_x) z / f_x."""
    width, focal, center = 256, 300.0, 90.0
    x, z = 35.0, torch.tensor([420.0, 470.0])
    u = focal * x / z + center
    mirrored = width - 1 - u
    found = (mirrored - center) * z / focal
    torch.testing.assert_close(found - (-x), (width - 1 - 2 * center) * z / focal)
    exact = (mirrored - (width - 1 - center)) * z / focal
    torch.testing.assert_close(exact, torch.full_like(z, -x))
