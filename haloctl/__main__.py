"""Entry of the command: refuses shadowed packages, then hands over to the command line."""

from __future__ import annotations

import sys

from haloctl import garbage
from haloctl.shadowing import shadowed


def main() -> None:
    """Run the command line and exit with its code; never returns."""
    garbage.put_off()
    complaint = shadowed()
    if complaint is not None:
        sys.stderr.write(f"haloctl: {complaint}\n")
        sys.exit(2)
    # Imported only now: the command line imports the packages that may be shadowed.
    from haloctl.cli import SCREENS, run_command_line

    if not SCREENS.intersection(sys.argv[1:2]):
        garbage.in_portions()
    sys.exit(run_command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
