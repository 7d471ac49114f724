"""The command line: ``dentwatch COMMAND``.

Results go to stdout, logs and progress to stderr; ``--json`` makes stdout one JSON document. The exit code is 0 only
for success, 1 for an error that Dentwatch explains, 2 for a command line that it does not understand, 130 after Ctrl-C.
"""

import os
import sys

from dentwatch.errors import DentwatchError

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and turn errors into one readable paragraph (a traceback with ``--debug``)."""
    debug = "--debug" in sys.argv or os.environ.get("DENTWATCH_DEBUG") == "1"
    try:
        code = _run([argument for argument in sys.argv[1:] if argument != "--debug"])
    except BrokenPipeError:  # the reader has gone, as `head` does
        code = 1
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            raise
        code = _explain(error)
    _end_output()
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """The exit code of a command that ended by itself."""
    from dentwatch.cli.app import app

    try:
        app(args=arguments, prog_name="dentwatch")
    except SystemExit as stop:
        if stop.code == _INTERRUPTED:  # what Typer makes of Ctrl-C
            raise KeyboardInterrupt from stop
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def _explain(error: BaseException) -> int:
    from dentwatch.cli.output import print_error

    print_error(_explained(error))
    return _INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def _explained(error: BaseException) -> DentwatchError:
    if isinstance(error, DentwatchError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return DentwatchError(
            "Stopped by you; what was finished is kept.",
            "Run the same command to go on; an unnamed training run goes on with `dentwatch train --resume RUN`.",
        )
    if isinstance(error, OSError) and error.strerror and error.filename:
        return DentwatchError(
            f"{error.filename} cannot be used: {error.strerror}.",
            "Check that it is the path you mean, that you may use it, and that the disk has room.",
        )
    return DentwatchError(
        f"Something went wrong that Dentwatch did not expect: {type(error).__name__}: {error}.",
        "Run the same command with --debug to see where, and please report it.",
    )


def _end_output() -> None:
    """Write what is left to stdout, silently where nobody reads it any more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
