"""The command line: ``dentwatch COMMAND``.

Results go to stdout, logs and progress to stderr; ``--json`` makes stdout one JSON document. The exit code is 0 only
for success, 1 for an error that Dentwatch explains, 2 for a command line that it does not understand.
"""

import os
import sys

from dentwatch.errors import DentwatchError


def main() -> None:
    """Run the command line and turn Dentwatch's errors into one readable paragraph (a traceback with ``--debug``)."""
    from dentwatch.cli.app import app
    from dentwatch.cli.output import print_error

    debug = "--debug" in sys.argv or os.environ.get("DENTWATCH_DEBUG") == "1"
    try:
        app(args=[argument for argument in sys.argv[1:] if argument != "--debug"], prog_name="dentwatch")
    except DentwatchError as error:
        if debug:
            raise
        print_error(error)
        sys.exit(1)
    except KeyboardInterrupt:
        print_error(DentwatchError("Stopped by you.", "What was finished is kept; run the command again to go on."))
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        wrapped = DentwatchError(
            f"Something went wrong that Dentwatch did not expect: {type(error).__name__}: {error}.",
            "Run the same command with --debug to see where, and please report it.",
        )
        print_error(wrapped)
        sys.exit(1)
