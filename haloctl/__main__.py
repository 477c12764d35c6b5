"""Entry of the command: refuses shadowed packages, then hands over to the command line."""

from __future__ import annotations

import gc
import sys

from haloctl.shadowing import shadowed

GARBAGE_EVERY = 20_000
"""Objects made between two looks for garbage: what starting makes stays, and is not worth being looked
through over and over, which at Python's own 700 takes a tenth of the time until the first picture."""


def main() -> None:
    """Run the command line and exit with its code; never returns."""
    gc.set_threshold(GARBAGE_EVERY)
    complaint = shadowed()
    if complaint is not None:
        sys.stderr.write(f"haloctl: {complaint}\n")
        sys.exit(2)
    # Imported only now: the command line imports the packages that may be shadowed.
    from haloctl.cli import run_command_line

    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
