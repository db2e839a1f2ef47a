"""All that can be asked for by name, of both papers: the rows of their tables, and what varies a row."""

from __future__ import annotations

from hand_lib.models.groups.joint_aware_rows import JOINT_AWARE_ROWS
from hand_lib.models.groups.rows import GROUP_ROWS
from hand_lib.models.rows import ROWS, Row
from hand_lib.models.variants import VARIANTS


def rows_and_variants() -> dict[str, Row]:
    """Joint-Aware Regression's rows in its tables' order and their variants; the joint groups', likewise; and groups
    inside Joint-Aware Regression."""
    return {**ROWS, **VARIANTS, **GROUP_ROWS, **JOINT_AWARE_ROWS}
