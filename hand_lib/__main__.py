"""The command line, ``python -m hand_lib COMMAND``: a parser and one way to end, whatever the command.

Exit codes: 0; 1 where a chapter or the site failed, or a data set is not whole; 2 for what a person can mend, said in
one line; 130 after Ctrl-C, 143 after SIGTERM, 129 where the terminal was closed (SIGHUP). All that was started ends
with the command.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn, TextIO

from hand_lib.commands import data, evaluate, export, models, predict, results, submit, train
from hand_lib.commands.ending import Signals, could_not_print, say, say_stopped
from hand_lib.errors import HandLibError

Command = Callable[[argparse.Namespace], int]
Declare = Callable[[argparse.ArgumentParser], None]


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
    with Signals() as signals:
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
            say(f"error: {error}")
            return 2
        except KeyboardInterrupt as stopped:
            return say_stopped(getattr(stopped, "signal_number", signal.SIGINT), str(stopped))
        except Exception as error:
            if isinstance(error, OSError) and could_not_print(error):
                if isinstance(error, BrokenPipeError):  # the reader, for example `head`, has seen enough
                    return 0
                say(f"error: cannot print: {error.strerror}")
                return 2
            if not signals.received:
                raise
            return say_stopped(signals.received[0])  # what a library made of the interruption


def make_parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of all commands. ``book`` declares its own arguments, and is loaded only when it is asked for."""
    parser = Parser(prog="python -m hand_lib", description="3D hand pose, row by row.")
    parser.add_argument("--version", action="version", version=_versions())
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name: str, description: str) -> argparse.ArgumentParser:
        described = description[:1].upper() + description[1:] + "."
        return commands.add_parser(name, help=description, description=described)

    def add_one(name: str, description: str, declare: Declare, command: Command) -> None:
        added = add(name, description)
        declare(added)
        added.set_defaults(command=command)

    costs = "parameters and multiply-adds of each row and variant, beside the paper's"
    add_one("models", costs, models.add_arguments, models.show_models)
    rows = "train rows and record the runs; goes on where it was interrupted"
    add_one("train", rows, train.add_arguments, train.train_rows)
    lesson = "train what backbones start from: they name the hand's parts; goes on where it was interrupted"
    add_one("pretrain", lesson, train.add_pretrain_arguments, train.pretrain_backbone)
    held_out = "measure a trained row or a checkpoint file on held-out hands"
    add_one("evaluate", held_out, evaluate.add_arguments, evaluate.evaluate_run)
    official = "a trained network's hands as the servers of FreiHAND and HO-3D want them"
    add_one("submit", official, submit.add_arguments, submit.write_submission)
    add_one("results", "a table of the recorded runs", results.add_arguments, results.show_results)
    data.add_commands(add("data", "public data sets of hands as they lie on this disk: check, convert and show them"))

    def declare_book(parser: argparse.ArgumentParser) -> None:
        if "book" in arguments:
            from hand_lib.book import add_arguments

            add_arguments(parser)

    exported = "round trained networks and put them into the package, for its pages; or write one as ONNX"
    add_one("export", exported, export.add_arguments, export.export_networks)
    photographed = "what a network says of a photograph: a drawing, and the joints as JSON"
    add_one("predict", photographed, predict.add_arguments, predict.predict_photograph)
    add_one("book", "execute the chapters and build the site", declare_book, _run_book)
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


def _run_book(args: argparse.Namespace) -> int:
    from hand_lib.book import run

    return run(args)


if __name__ == "__main__":
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the interpreter's own end is nothing to be told about
    sys.exit(code)
