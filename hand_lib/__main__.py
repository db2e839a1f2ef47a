"""The command line: ``python -m hand_lib models | train | pretrain | evaluate | results | export | predict | …``.

Exit codes: 0; 1 where a chapter or the site failed, or a data set is not whole; 2 for what a person can mend, said in
one line; 130 after Ctrl-C, 143 after SIGTERM, 129 where the terminal was closed (SIGHUP). All that was started ends
with the command.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from hand_lib.errors import HandLibError, Stopped, choose, printable, stop_signals

if TYPE_CHECKING:
    from hand_lib import experiments

Command = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """One line for what cannot be parsed, like every other error."""

    def error(self, message: str) -> NoReturn:
        raise HandLibError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: TextIO | None = None) -> None:
        print(message, end="", file=file)  # argparse's own says nothing of a full disk


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what the terminal cannot show is shown escaped
            stream.reconfigure(errors="backslashreplace")
    with _Signals() as signals:
        try:
            try:
                args = make_parser(arguments if arguments is not None else sys.argv[1:]).parse_args(arguments)
                import hand_lib.experiments  # noqa: F401 (and torch with it, which every command needs)

                signals.stop_at_once()
                return args.command(args)
            finally:
                if sys.stdout:
                    sys.stdout.flush()  # a full disk is known here at the latest
        except HandLibError as error:
            _say(f"error: {error}")
            return 2
        except KeyboardInterrupt as stopped:
            return _say_stopped(getattr(stopped, "signal_number", signal.SIGINT), str(stopped))
        except Exception as error:
            if isinstance(error, OSError) and _could_not_print(error):
                if isinstance(error, BrokenPipeError):  # the reader, for example `head`, has seen enough
                    return 0
                _say(f"error: cannot print: {error.strerror}")
                return 2
            if not signals.received:
                raise
            return _say_stopped(signals.received[0])  # what a library made of the interruption


def _say(line: str) -> None:
    """Print a line on stderr, where that can be written."""
    try:
        if sys.stderr:
            print(line, file=sys.stderr, flush=True)
    except OSError:
        _discard(sys.stderr)


def _could_not_print(error: OSError) -> bool:
    """Whether this is what stdout or stderr said; one that cannot be written is discarded."""
    lost = False
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()  # fails again: what was not written is still there
        except OSError:
            _discard(stream)
            lost = True
    # A stream without a buffer (`python -u`) keeps nothing. Files are written by code that names them.
    return lost or (error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE))


def _discard(stream: TextIO) -> None:
    """Let what is printed here, now or at the interpreter's end, go nowhere."""
    with contextlib.suppress(OSError):  # not a file's
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


class _Signals:
    """Raises :class:`~hand_lib.errors.Stopped` in a ``with`` block when a signal asks the command to end.

    A large library may swallow an exception in the middle of its import, so at first a signal is only noted, and a
    second one is needed to stop at once. What was ignored from the start, as under ``nohup``, stays ignored.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in stop_signals()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def stop_at_once(self) -> None:
        """Stop now if a signal has come, and from here on as soon as one comes."""
        self._at_once = True
        if self.received:
            raise Stopped(signal_number=self.received[0])

    def _handle(self, number: int, frame: object) -> None:
        self.received.append(number)
        if self._at_once or len(self.received) > 1:
            raise Stopped(signal_number=number)


def _say_stopped(number: int, message: str = "") -> int:
    how = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    _say(f"{how}: {message or 'run the same command again to go on'}")
    return 128 + number


def make_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of all commands. ``book`` declares its own arguments, and is loaded only when it is asked for."""
    parser = Parser(prog="python -m hand_lib", description="3D hand pose, row by row.")
    parser.add_argument("--version", action="version", version=_versions())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, command: Command, description: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=description, description=description[:1].upper() + description[1:] + ".")
        added.set_defaults(command=command)
        return added

    models = add("models", show_models, "parameters and multiply-adds of each row and variant, beside the paper's")
    models.add_argument("--backbone", default="resnet50", help="resnet18 to resnet152 (default: resnet50, as Table 2)")
    models.add_argument("--size", type=int, default=256, metavar="PX", help="side of the picture (default: 256)")
    models.add_argument("--json", action="store_true", help="a list of objects instead of a table")

    train = add("train", train_rows, "train rows and record the runs; goes on where it was interrupted")
    train.add_argument("rows", nargs="*", metavar="ROW", help="such as fr afr; see `models`")
    missing = "all that the profile's records lack, in order; several processes may share it"
    train.add_argument("--missing", action="store_true", help=missing)
    _add_which(train)
    train.add_argument("--seed", type=int, nargs="+", help="one or more (default: 0)")
    train.add_argument("--backbone", help="resnet18 to resnet152 (default: the profile's)")
    starts = "of the backbone: random, parts or imagenet, of an hourglass random or points (default: the profile's)"
    train.add_argument("--start", help=starts)
    train.add_argument("--budget", type=float, metavar="SECONDS", help="stop cleanly after so long; run again to go on")
    _add_data(train)
    train.add_argument("--results", type=Path, metavar="DIR", help="where to record (default: results/, not for smoke)")

    lesson = "train what backbones start from: they name the hand's parts; goes on where it was interrupted"
    pretrain = add("pretrain", pretrain_backbone, lesson)
    _add_which(pretrain)
    other = "resnet18 to resnet152, or hourglass, which finds joints in the picture (default: the profile's)"
    pretrain.add_argument("--backbone", help=other)
    pretrain.add_argument("--budget", type=float, metavar="SECONDS", help="stop cleanly after so long")
    pretrain.add_argument("--ship", action="store_true", help="put the weights and their record into the package")

    evaluate = add("evaluate", evaluate_run, "measure a trained row or a checkpoint file on held-out hands")
    evaluate.add_argument("what", metavar="ROW|CHECKPOINT", help="a row that was trained, or a .safetensors file")
    _add_which(evaluate, default=None)
    evaluate.add_argument("--seed", type=int, help="of the row's run (default: 0)")
    evaluate.add_argument("--backbone", help="of the row's run (default: the profile's)")
    evaluate.add_argument("--start", help="of the row's run (default: the profile's)")
    _add_data(evaluate)
    evaluate.add_argument("--json", action="store_true", help="all metrics")

    results = add("results", show_results, "a table of the recorded runs")
    results.add_argument("--profile", help="only this one")
    results.add_argument("--dataset", metavar="NAME", help="runs on this public data set")
    results.add_argument("--missing", action="store_true", help="what the profile (default: full) still lacks")
    results.add_argument("--results", type=Path, metavar="DIR", help="where the records are (default: results/)")
    results.add_argument("--json", action="store_true", help="the records themselves, or the missing ones")

    from hand_lib import network_commands
    from hand_lib.data_command import add_commands

    exported = "round trained networks and put them into the package, for its pages; or write one as ONNX"
    network_commands.add_export_arguments(add("export", network_commands.export, exported))
    predicted = "what a network says of a photograph: a drawing, and the joints as JSON"
    network_commands.add_predict_arguments(add("predict", network_commands.predict, predicted))

    data = "public data sets of hands as they lie on this disk: check, convert and show them"
    add_commands(commands.add_parser("data", help=data, description=data[:1].upper() + data[1:] + "."))

    book = add("book", run_book, "execute the chapters and build the site")
    if "book" in arguments:
        from hand_lib.book import add_arguments

        add_arguments(book)
    return parser


def _versions() -> str:
    import platform
    from importlib.metadata import PackageNotFoundError, version

    def of(package: str) -> str:
        try:
            return version(package)
        except PackageNotFoundError:
            return "not installed"

    return f"joint-by-joint {of('joint-by-joint')}, PyTorch {of('torch')}, Python {platform.python_version()}"


def _add_which(parser: argparse.ArgumentParser, default: str | None = "quick") -> None:
    said = "quick" if default else "that of the checkpoint, or quick"
    parser.add_argument("--profile", default=default, help=f"smoke, quick, long, full or paper (default: {said})")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps (default: the GPU if there is one)")


def _add_data(parser: argparse.ArgumentParser) -> None:
    names = "rhd, stb, freihand, ho3d-v2 or ho3d-v3, in the place of rendered hands"
    parser.add_argument("--dataset", metavar="NAME", help=names)
    parser.add_argument("--root", type=Path, metavar="DIR", help="the folder where the data set lies")


# ------------------------------------------------------------------------------------------------------------ commands


def show_models(args: argparse.Namespace) -> int:
    """Print Table 2's columns for every row and variant."""
    from hand_lib.experiments import get_depth
    from hand_lib.models.counting import table

    lines = table(depth=get_depth(args.backbone), image_size=args.size)
    if args.json:
        print(json.dumps(lines, indent=1))
        return 0

    def figure(value: float, scale: float, paper: float | None, digits: int) -> str:
        return f"{value / scale:.{digits}f}" + (f" ({paper})" if paper is not None else "")

    header = ["row", "", "parameters, M", "of it the head", "multiply-adds, G", "of it the head", "on output grid"]
    body = []
    for line in lines:
        paper = line["paper"] or {}
        body.append(
            [
                line["row"],
                line["title"],
                figure(line["params"], 1e6, paper.get("params"), 2),
                figure(line["head_params"], 1e6, paper.get("head_params"), 2),
                figure(line["macs"], 1e9, paper.get("macs"), 2),
                figure(line["head_macs"], 1e9, paper.get("head_macs"), 3),
                figure(line["head_macs_output_grid"], 1e9, None, 3),
            ]
        )
    print(f"{args.backbone}, {args.size} px; in brackets: what the paper prints")
    _print_table(header, body)
    return 0


def train_rows(args: argparse.Namespace) -> int:
    """Train one row after the other, each with every seed."""
    from hand_lib import cache, experiments
    from hand_lib.models.catalogue import rows_and_variants

    profile = experiments.get_profile(args.profile)
    if args.missing == bool(args.rows):
        raise HandLibError(f"name rows to train, or --missing: rows are {', '.join(rows_and_variants())}")
    first = _is_first_process()
    deadline = _deadline(args.budget)
    if args.missing:
        own = ("seed", "backbone", "start", "dataset", "root")
        _leave_out(args, own, "--missing asks for the profile's own seeds, start and hands")
        wanted = experiments.missing(profile, folder=args.results)
    else:
        seeds = [0] if args.seed is None else args.seed
        wanted = list(dict.fromkeys((row, _checked_seed(seed)) for seed in seeds for row in args.rows))
    which = {"profile": profile, "device": args.device, "backbone": args.backbone, "start": args.start}
    for row, seed in wanted:  # all names are checked before the first hour is spent
        experiments.plan(row, seed=seed, **which)
    if (real := _real_data(args, profile)) is not None:
        which["real"] = real

    recording = args.results is not None or profile.name != "smoke"
    if recording:  # what cannot be recorded must be known before the training, not after it
        try:
            commit = experiments.check_recordable()  # of the code that is loaded: the checkout may change meanwhile
        except HandLibError as error:
            if args.missing or args.results is not None:  # to record is what was asked for
                raise
            recording = False
            print(f"this will not be recorded: {error}", file=sys.stderr, flush=True)
    if recording:
        if real is None:
            cache.make_folder((args.results or cache.results_dir()) / profile.name)
        else:
            cache.make_folder((args.results or experiments.real_results()) / f"{real.name}-{profile.name}")
    for number, (row, seed) in enumerate(wanted):
        if deadline is not None and time.monotonic() >= deadline:
            return _say_budget(args.budget, f"{len(wanted) - number} of {len(wanted)} runs not begun")
        try:
            run = experiments.run(row, seed=seed, deadline=deadline, wait=not args.missing, **which)
        except experiments.Unfinished as stopped:
            return _say_budget(args.budget, str(stopped))
        except cache.Busy as busy:  # what is missing is shared by as many processes as ask for it
            print(f"{busy}: left to it", file=sys.stderr, flush=True)
            continue
        if not first:
            continue
        line = _summary(run.record)
        if recording:
            line += f"; recorded in {printable(str(experiments.write_record(run.record, args.results, commit=commit)))}"
        print(line, flush=True)
    return 0


def pretrain_backbone(args: argparse.Namespace) -> int:
    """Train the start of a profile's backbones, or find it, and put it into the package if that was asked for."""
    from hand_lib import experiments

    profile = experiments.get_profile(args.profile)
    if args.backbone == "hourglass":
        planned = experiments.start_plan(profile, lesson=experiments.POINTS)
    else:
        planned = experiments.start_plan(profile, experiments.sized(profile, args.backbone))
    deadline = _deadline(args.budget)
    # What cannot be shipped must be known before the training; of the code that is loaded, for it may change meanwhile.
    commit = experiments.check_recordable() if args.ship else ""
    try:
        start = experiments.pretrain(planned, device=args.device, deadline=deadline)
    except experiments.Unfinished as stopped:
        return _say_budget(args.budget, str(stopped))
    learnt, guess = start.record["metrics"], start.record["constant_guess"]
    how = f"trained in {start.record['seconds']:.0f} s on {start.record['device']}"
    line = f"{planned.title}: {planned.lesson.say(learnt, guess)}, {how}"
    if args.ship:
        other = ["--backbone", args.backbone] if args.backbone else []
        command = " ".join(["python -m hand_lib pretrain --profile", profile.name, *other, "--ship"])
        shipped = experiments.ship(start, command=command, commit=commit)
        line += f"; in the package as {printable(str(shipped))}"
    elif experiments.find_shipped(planned) is not None:
        line += "; rows start from the one in the package"
    print(line, flush=True)
    return 0


def _deadline(budget: float | None) -> float | None:
    from hand_lib.experiments import stop_time

    if budget is not None and not 0 < budget < math.inf:
        raise HandLibError(f"--budget {budget:g}: give seconds above 0")
    return stop_time(budget)


def _is_first_process() -> bool:
    from hand_lib.training import processes

    return processes().rank == 0


def _checked_seed(seed: int) -> int:
    from hand_lib.strict import SEEDS

    if not 0 <= seed < SEEDS:
        raise HandLibError(f"--seed {str(seed)[:25]}: give a whole number from 0 to {SEEDS - 1}")
    return seed


def _leave_out(args: argparse.Namespace, names: Sequence[str], why: str) -> None:
    """Refuse arguments that would have no effect."""
    if given := [f"--{name}" for name in names if getattr(args, name) is not None and getattr(args, name) is not False]:
        raise HandLibError(f"{why}: leave out {' and '.join(given)}")


def _say_budget(budget: float, where: str) -> int:
    if _is_first_process():
        print(f"the budget of {budget:g} s is used up: {where}", flush=True)
    return 0


def _real_data(args: argparse.Namespace, profile: str | experiments.Profile) -> experiments.RealData | None:
    """The public data set that was asked for, converted."""
    from hand_lib import experiments
    from hand_lib.data_command import say_estimate

    if (args.dataset is None) != (args.root is None):
        raise HandLibError("--dataset and --root go together: which data set, and the folder where it lies")
    if args.dataset is None:
        return None
    return experiments.real_data(args.dataset, args.root, profile, announce=say_estimate)


def _summary(record: dict[str, Any]) -> str:
    constant = record["constant_prediction"]["epe_mean"]
    on = f" on {record['dataset']}" if "dataset" in record else ""
    return (
        f"{record['row']}{on}, profile {record['profile']}, seed {record['seed']}: mean error "
        f"{record['metrics']['epe_mean']:.1f} mm (constant prediction {constant:.1f}), "
        f"trained in {record['seconds']:.0f} s on {record['device']}"
    )


def evaluate_run(args: argparse.Namespace) -> int:
    """Measure a run of the cache, or a checkpoint file."""
    from hand_lib import cache, experiments
    from hand_lib.models.catalogue import rows_and_variants

    if args.what in rows_and_variants():
        profile, seed = args.profile or "quick", _checked_seed(args.seed or 0)
        planned = experiments.plan(
            args.what,
            profile=profile,
            seed=seed,
            device=args.device,
            backbone=args.backbone,
            start=args.start,
            real=(real := _real_data(args, profile)),
        )
        if (found := experiments.find(planned)) is None:
            again = f"python -m hand_lib train {args.what} --profile {profile} --seed {seed}"
            again += "" if real is None else f" --dataset {args.dataset} --root {args.root}"
            raise HandLibError(f"{planned.title} has not been trained: {again}")
        path = found.folder / "model.safetensors"
    else:
        path = Path(args.what)
        if path.suffix != ".safetensors" and not cache.exists(path):
            raise choose("row, and no file,", args.what, rows_and_variants())
        _leave_out(args, ("seed", "backbone", "start"), f"{path} says itself what it is")
        real = _real_data(args, args.profile or experiments.profile_of(path))
    result = experiments.evaluate_checkpoint(path, profile=args.profile, device=args.device, real=real)
    if args.json:
        print(json.dumps(result, indent=1))
        return 0
    after = "" if result["step"] is None else f", after {result['step']} steps"
    print(f"{result['row']} ({result['backbone']}), profile {result['profile']}, seed {result['seed']}{after}")
    for score in result.get("scores", []):  # root depth and scale are given, as on rendered hands
        number = f"{score['value']:.2f} {score['unit']}" if score["unit"] else f"{score['value']:.3f}"
        print(f"{score['name']}: {number} ({score['rule']}; true root depth and scale given)")
    names = [name for name, value in result["metrics"].items() if isinstance(value, float)]
    body = [[name, f"{result['metrics'][name]:.3f}", f"{result['constant_prediction'][name]:.3f}"] for name in names]
    _print_table(["metric", "this model", "constant prediction"], body)
    return 0


def show_results(args: argparse.Namespace) -> int:
    """Print the recorded runs, or what a profile lacks."""
    from hand_lib import cache, experiments

    if args.results is not None:
        with cache.readable_errors(args.results, "read"):
            os.listdir(args.results)
    if args.missing:
        _leave_out(args, ("dataset",), "--missing lists runs on rendered hands")
        profile = experiments.get_profile(args.profile or "full")
        lacking = experiments.missing(profile, folder=args.results)
        if args.json:
            print(json.dumps([{"row": row, "seed": seed, "profile": profile.name} for row, seed in lacking], indent=1))
        for row, seed in lacking if not args.json else []:
            print(f"python -m hand_lib train {row} --profile {profile.name} --seed {seed}")
        if not lacking and not args.json:
            print(f"nothing is missing: every row and variant has all its seeds in the profile {profile.name}")
        return 0

    folder = args.results
    if args.dataset is not None:
        folder = folder or experiments.real_results()
    found = experiments.records(args.profile, folder=folder)
    if args.dataset is not None:
        found = [record for record in found if record.get("dataset") == args.dataset]
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    if not found:
        print(f"no recorded runs{f' of the profile {args.profile}' if args.profile else ''}")
        return 0
    header = [
        "profile",
        "row",
        "backbone",
        "start",
        "seed",
        "mean EPE",
        "median",
        "AUC 0-50",
        "constant",
        "train s",
        "device",
        "date",
    ]
    body, outdated = [], False
    for record in found:
        current = experiments.is_current(record)
        outdated |= not current
        metrics = record["metrics"]
        body.append(
            [
                record["profile"],
                record["row"] + ("" if current else " *"),
                record["backbone"],
                record["start"],
                str(record["seed"]),
                f"{metrics['epe_mean']:.2f}",
                f"{metrics['epe_median']:.2f}",
                f"{metrics['auc_0_50']:.3f}",
                f"{record['constant_prediction']['epe_mean']:.2f}",
                f"{record['seconds']:.0f}",
                record["device"],
                record["date"][:10],
            ]
        )
    _print_table(header, body)
    if outdated:
        print("* recorded by other code or on other data than today's")
    return 0


def run_book(args: argparse.Namespace) -> int:
    """Execute the chapters and build the site."""
    from hand_lib.book import run

    return run(args)


def _print_table(header: list[str], body: list[list[str]]) -> None:
    """Columns as wide as they need; numbers to the right."""
    body = [[printable(cell) for cell in line] for line in body]
    widths = [max(len(line[i]) for line in [header, *body]) for i in range(len(header))]
    numeric = [all(line[i][:1].isdigit() or line[i][:1] in "-" for line in body) for i in range(len(header))]
    for line in [header, *body]:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        print("  ".join(cells).rstrip())


if __name__ == "__main__":
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the interpreter's own end is nothing to be told about
    sys.exit(code)
