"""The papers' tables, run: profiles, runs kept and recorded, and their comparison.

A *run* is one row of a table, trained with one seed in one profile and measured on held-out hands.
:func:`~hand_lib.experiments.runs.run` trains it if the cache lacks it, so a row that one chapter trained is not trained
again by the next. The key of a run holds all that decides its outcome, the code included
(:func:`~hand_lib.experiments.sources.source_hash`); the record of a run says what came out, how, and on what. Records
that are committed lie under ``results/`` and come from the command line only.
"""

from hand_lib.experiments.comparison import (
    MARGIN,
    Comparison,
    SeedSpread,
    compare,
    compare_recorded,
    pool,
    recorded_spread,
    seed_spread,
)
from hand_lib.experiments.estimates import estimate, recorded_time, say_duration
from hand_lib.experiments.fitting import Unfinished
from hand_lib.experiments.kept import Run
from hand_lib.experiments.lessons import PARTS, POINTS, Lesson
from hand_lib.experiments.measuring import constant_prediction
from hand_lib.experiments.planning import Plan, plan
from hand_lib.experiments.pretraining import pretrain, ship
from hand_lib.experiments.profiles import (
    BACKBONES,
    DATA_SEED,
    PROFILES,
    STARTS,
    Pretraining,
    Profile,
    datasets,
    get_depth,
    get_profile,
    get_row,
    sized,
)
from hand_lib.experiments.provenance import commit_of_code, device_name, library_versions
from hand_lib.experiments.real_data import RealData, mixed_data, real_data
from hand_lib.experiments.recording import (
    check_recordable,
    is_current,
    missing,
    read_record,
    real_folder,
    real_results,
    record_path,
    records,
    write_record,
)
from hand_lib.experiments.runs import find, run, stop_time
from hand_lib.experiments.schema import RECORD_FORMAT
from hand_lib.experiments.sources import source_hash
from hand_lib.experiments.starts import Start, StartPlan, find_shipped, find_start, start_plan
from hand_lib.experiments.weights_files import Loaded, evaluate_checkpoint, load_weights, profile_of

__all__ = [
    "BACKBONES",
    "DATA_SEED",
    "MARGIN",
    "PARTS",
    "POINTS",
    "PROFILES",
    "RECORD_FORMAT",
    "STARTS",
    "Comparison",
    "Lesson",
    "Loaded",
    "Plan",
    "Pretraining",
    "Profile",
    "RealData",
    "Run",
    "SeedSpread",
    "Start",
    "StartPlan",
    "Unfinished",
    "check_recordable",
    "commit_of_code",
    "compare",
    "compare_recorded",
    "constant_prediction",
    "datasets",
    "device_name",
    "estimate",
    "evaluate_checkpoint",
    "find",
    "find_shipped",
    "find_start",
    "get_depth",
    "get_profile",
    "get_row",
    "is_current",
    "library_versions",
    "load_weights",
    "missing",
    "mixed_data",
    "plan",
    "pool",
    "pretrain",
    "profile_of",
    "read_record",
    "real_data",
    "real_folder",
    "real_results",
    "record_path",
    "recorded_spread",
    "recorded_time",
    "records",
    "run",
    "say_duration",
    "seed_spread",
    "ship",
    "sized",
    "source_hash",
    "start_plan",
    "stop_time",
    "write_record",
]
