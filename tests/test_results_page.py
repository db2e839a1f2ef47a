"""The page of results: what the records say, and nothing else."""

from __future__ import annotations

import re
import statistics
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_records import made_record
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from hand_lib import cache
from hand_lib.errors import HandLibError
from hand_lib.experiments import get_profile, record_path
from hand_lib.figures.results_page import (
    HEADER,
    NO_RECORDS,
    NONE_CURRENT,
    OUTDATED,
    elsewhere_table,
    markdown,
    pictures,
    say_seeds,
    write,
)
from hand_lib.figures.tables import PAPER_EPE, plain, together

ID_1 = "ID\N{NON-BREAKING HYPHEN}1"
FR = f"`fr` {ID_1}"


def lines_of(text: str) -> list[list[str]]:
    """The cells of the tables' lines, but for the folded tables'."""
    unfolded = re.sub(r"^::::\{dropdown\}.*?^::::$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in unfolded.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_without_records_it_says_so(tmp_path: Path) -> None:
    write(tmp_path / "table.md", folder=tmp_path / "results")
    text = (tmp_path / "table.md").read_text()
    assert text.startswith(f"{NO_RECORDS}\n") and "Theirs, ours, why" in text and "```{figure}" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["table.md"]


def test_seeds_are_averaged_with_their_spread() -> None:
    ours = [30.5, 33.5]
    text = markdown([made_record("fr", seed, epe) for seed, epe in enumerate(ours)])
    (line,) = lines_of(text)
    cells = dict(zip(HEADER, line, strict=True))
    assert cells["EPE, mm"] == together(f"32.00 ± {statistics.stdev(ours):.2f}")
    assert cells["seed numbers"] == say_seeds((0, 1))
    assert cells[PAPER_EPE] == "14.90"  # Table 1 of JAR, ID-1
    assert "Trained on a processor, 1 thread. The constant prediction has 51.25 mm, after" in text
    assert "ResNet-18 with 16 channels in its first block, for pictures of 64 px" in text


def test_one_seed_has_no_spread() -> None:
    (line,) = lines_of(markdown([made_record("afr", 0, 25.0)]))
    assert line[HEADER.index("EPE, mm")] == "25.00"


def test_profiles_have_tables_of_their_own_and_smoke_has_none() -> None:
    text = markdown(
        [
            made_record("fr", 0, 30.0),
            made_record("fr", 0, 20.0, profile="full"),
            made_record("fr", 0, 99.0, profile="smoke"),
        ]
    )
    assert text.index("### Profile `quick`") < text.index("### Profile `full`")
    assert [line[HEADER.index("EPE, mm")] for line in lines_of(text)] == ["30.00", "20.00"]
    assert "smoke" not in text and "99.00" not in text
    assert markdown([made_record("fr", 0, 99.0, profile="smoke")]) == markdown([])


def test_runs_of_other_code_or_pictures_are_kept_apart_and_marked() -> None:
    runs = [
        made_record("fr", 0, 30.0),
        made_record("fr", 1, 40.0, revision=2),
        made_record("fr", 2, 50.0, data_version="older"),
    ]
    text = markdown(runs)
    lines = lines_of(text)
    assert [line[HEADER.index("EPE, mm")] for line in lines] == ["30.00", "40.00", "50.00"]
    assert [line[0] for line in lines] == [FR, f"`fr` \\* {ID_1}", f"`fr` \\* {ID_1}"]
    assert OUTDATED in text
    assert OUTDATED not in markdown(runs[:1])


def test_where_no_run_is_current_one_sentence_says_so_and_no_line_has_a_star() -> None:
    old = [made_record("fr", 0, 30.0, data_version="2"), made_record("fr", 1, 40.0, data_version="2")]
    text = markdown(old)
    assert "on the pictures of an earlier version (data version 2), and compare neither" in text
    assert text.index("constant prediction") < text.index(NONE_CURRENT) < text.index("| row")
    assert "\\*" not in text
    assert "data versions 1 and 2" in markdown([*old, made_record("afr", 0, 30.0, data_version="1")])
    other_code = markdown([old[0], made_record("fr", 1, 40.0, revision=2)])
    assert NONE_CURRENT in other_code and "data version" not in other_code and "with other code, or" in other_code
    mixed = markdown([*old, made_record("afr", 0, 30.0)])
    assert NONE_CURRENT not in mixed and [line[0].split("ID")[0] for line in lines_of(mixed)] == ["`fr` \\* ", "`afr` "]
    profiles = markdown([*old, made_record("fr", 0, 20.0, profile="full")])  # each speaks for itself
    assert profiles.count(NONE_CURRENT) == 1 and profiles.index(NONE_CURRENT) < profiles.index("`full`")


def parser() -> MarkdownIt:
    """The one that reads the pages, with the extensions of ``_config.yml``."""
    extensions = yaml.safe_load((ROOT / "_config.yml").read_text())["parse"]["myst_enable_extensions"]
    assert "linkify" in extensions
    return create_md_parser(MdParserConfig(enable_extensions=set(extensions)), RendererHTML)


def shown(page: str) -> tuple[str, set[str]]:
    """The text of the page's first paragraph or table cell as it is read, and the kinds of what is in it."""
    inline = next(token for token in parser().parse(page) if token.type == "inline")
    return "".join(token.content for token in inline.children), {token.type for token in inline.children}


LINKS = ["evil.com", "www.evil.com", "a@evil.com", "https://evil.com", "//evil.com", "mailto:a@evil.com", "1.2.3.4"]
LINKS += ["evil.com/a?b=c", "EVIL.COM:80", "evil.com.", "<https://evil.com>", "[a](https://evil.com)", "xn--a.com"]


def test_the_pages_do_make_links_of_such_text() -> None:
    """Else the next test would find nothing."""
    assert all("link_open" in shown(f"A {link} b")[1] for link in ("evil.com", "www.evil.com", "a@evil.com"))


@given(
    st.lists(st.sampled_from([*LINKS, *" .,:@/\\|*_`$<{(ab1é", "www.", "://", "com"]), min_size=1, max_size=6)
    .map("".join)
    .filter(lambda text: text.strip() == text)
)
@example("evil.com, 1 thread")
@example("https://www.evil.com/a@b.com")
@settings(max_examples=200, deadline=None)
def test_text_of_a_record_is_shown_as_it_is_and_never_as_a_link(text: str) -> None:
    assert shown(f"On {plain(text)}.") == (f"On {text}.", {"text"})
    assert shown(f"| {plain(text)} |\n|---|\n| x |")[0] == text


def test_a_device_with_a_link_for_a_name_is_no_link() -> None:
    tokens = parser().parse(markdown([made_record("fr", 0, 30.0, device="evil.com, 1 thread")]))
    kinds = {child.type for token in tokens for child in token.children or ()}
    assert "link_open" not in kinds and "code_inline" in kinds


def test_a_backbone_that_the_paper_does_not_print_gets_a_dash() -> None:
    run = made_record("fr", 0, 30.0, backbone="resnet34")
    (line,) = lines_of(markdown([run]))
    assert line[HEADER.index(PAPER_EPE)] == "–"


def test_runs_that_start_from_imagenet_are_kept_apart() -> None:
    lines = lines_of(markdown([made_record("fr", 0, 30.0), made_record("fr", 1, 20.0, start="imagenet")]))
    assert [line[0] for line in lines] == [FR, f"{FR}, from ImageNet"]


def test_it_reads_records_from_the_folder(tmp_path: Path) -> None:
    for seed in get_profile("quick").seeds:
        cache.write_json(tmp_path / "results" / "quick" / f"afr-s{seed}.json", made_record("afr", seed, 20.0 + seed))
    write(tmp_path / "page" / "table.md", folder=tmp_path / "results")
    (line,) = lines_of((tmp_path / "page" / "table.md").read_text())
    assert line[HEADER.index("seed numbers")] == say_seeds(get_profile("quick").seeds)


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    path = tmp_path / "results" / "quick" / "afr-s0.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"format": 1, "row"')
    with pytest.raises(HandLibError, match=r"afr-s0\.json"):
        write(tmp_path / "table.md", folder=tmp_path / "results")
    assert not (tmp_path / "table.md").exists()


def test_seeds_in_a_row_are_said_as_a_range() -> None:
    assert [say_seeds(seeds) for seeds in ((3,), (1, 0), (0, 1, 2), (7, 4, 0, 2, 1, 3))] == [
        "3",
        together("0, 1"),
        "0–2",
        together("0–4, 7"),
    ]


def test_variants_have_a_table_of_their_own_that_names_their_rows() -> None:
    text = markdown([made_record("multihead", 0, 20.0), made_record("multihead-1x64", 0, 21.0)])
    row, variant = lines_of(text)
    assert variant[0] == "`multihead-1x64` of `multihead`" and len(row) == len(HEADER) == len(variant) + 1
    assert text.index("| row") < text.index("| variant")


def test_the_ladder_is_drawn_from_what_has_a_step_and_described(tmp_path: Path) -> None:
    few = [made_record("fr", 0, 30.0), made_record("maps", 0, 28.0), made_record("maps-wide", 0, 28.5)]
    few += [
        made_record("fr", 0, 20.0, profile="long"),
        made_record("afr", 1, 19.0, profile="long"),
    ]  # no seed in common
    few.append(made_record("afr", 0, 25.0, backbone="resnet34"))  # another network than the profile's
    for record in few:
        cache.write_json(record_path(record, tmp_path / "results"), record)
    write(tmp_path / "page" / "table.md", folder=tmp_path / "results")
    written = sorted(path.name for path in (tmp_path / "page").iterdir())
    assert written == ["ladder_quick.svg", "procrustes_quick.svg", "table.md", "variants_quick.svg"]
    text = (tmp_path / "page" / "table.md").read_text()
    assert all(text.count(f"{{figure}} {name}") == 1 for name in written if name != "table.md")
    assert "ID-5 − ID-1: maps by joint, -2.00 mm over one seed, not resolved, in the paper -2.69 mm" in text
    assert "ID-2 − ID-1: the maps' average, no seed recorded" in text
    first = (tmp_path / "page" / "ladder_quick.svg").read_bytes()
    write(tmp_path / "page" / "table.md", folder=tmp_path / "results")
    assert (tmp_path / "page" / "ladder_quick.svg").read_bytes() == first


def test_outdated_records_are_not_drawn() -> None:
    old = [made_record(row, 0, 30.0, data_version="2") for row in ("fr", "afr")]
    assert "{figure}" not in markdown(old) and pictures(old) == {}


def test_hands_of_another_kind_have_a_line_a_row_and_the_constant():
    made = [
        made_record("fr", 0, 20.0),
        made_record("fr", 1, 22.0),
        made_record("afr", 0, 18.0),
    ]
    shown = elsewhere_table(made)
    assert shown.header == ("EPE, mm", "evaluation", "other gestures", "another look")
    lines = [[cell.replace("\N{NO-BREAK SPACE}", " ") for cell in row] for row in shown.rows]
    assert lines == [
        ["`fr`", "21.00 ± 1.41", "25.00 ± 1.41", "25.00 ± 1.41"],
        ["`afr`", "18.00", "22.00", "22.00"],
        ["constant prediction", "51.25", "53.50", "53.50"],
    ]
    assert "On hands of another kind" in markdown(made)
