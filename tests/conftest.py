"""What all tests stand on."""

from __future__ import annotations

import signal

# A shell starts background jobs with SIGINT ignored, children inherit that, and tests of Ctrl-C would wait.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
