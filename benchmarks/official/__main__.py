"""The scores, joints and projections of this package beside those of the data sets' own tools, on the same files.

The tools are their authors' and do not come with this package: clone each, and give its folder. A few rendered hands
are written in each data set's format, with predictions that are wrong in several ways; the tool reads or measures them
as it was published, and so do we. What differs by more than rounding ends the program with exit code 1.

::

    git clone https://github.com/lmb-freiburg/freihand
    git clone https://github.com/shreyashampali/ho3d
    git clone https://github.com/lmb-freiburg/hand3d
    git clone https://github.com/moranli-aca/LearnableGroups-Hand
    python benchmarks/official --freihand freihand --ho3d ho3d --hand3d hand3d --groups LearnableGroups-Hand

``hand3d`` is a program for TensorFlow: ``pip install tensorflow-cpu`` beside this package, best in an environment of
its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from challenges import compare_freihand, compare_ho3d
from lines import markdown
from rhd_and_stb import compare_groups, compare_hand3d

from hand_lib.errors import HandLibError

PAGE = Path(__file__).resolve().parents[2] / "book" / "official_tools.md"
MARK = "<!-- written by benchmarks/official -->\n"  # before the table and after it
TOOLS = {"freihand": compare_freihand, "ho3d": compare_ho3d, "hand3d": compare_hand3d, "groups": compare_groups}


def write_into_page(table: str, tools: set[str]) -> None:
    """Put a table into the book's page; rows of other tools than these stay."""
    before, written, after = PAGE.read_text(encoding="utf-8").split(MARK)
    kept = [
        row for row in written.splitlines(keepends=True)[3:] if row.startswith("| ") and row.split()[1] not in tools
    ]
    PAGE.write_text(f"{before}{MARK}\n{table}{''.join(kept)}\n{MARK}{after}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in TOOLS:
        parser.add_argument(f"--{name}", type=Path, metavar="DIR", help="folder of the clone")
    parser.add_argument("--page", action="store_true", help=f"write these rows into {PAGE.name} of the book")
    options = parser.parse_args(arguments)
    lines = []
    try:
        asked = {name: root for name in TOOLS if (root := getattr(options, name)) is not None}
        if not asked:
            raise HandLibError(f"nothing to compare with: give one of {', '.join(f'--{name}' for name in TOOLS)}")
        for name, root in asked.items():
            with tempfile.TemporaryDirectory() as folder:
                lines += TOOLS[name](root.resolve(), Path(folder))
    except HandLibError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    table = markdown(lines)
    print(table)
    if options.page:
        write_into_page(table, {line.tool.partition(" ")[0] for line in lines})
    for line in lines:
        if not line.agrees:
            print(f"differs: {line.tool}, {line.what}, by {line.difference:.3g} {line.unit}", file=sys.stderr)
    return 0 if all(line.agrees for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
