"""`haloctl completion`: a shell completion script on stdout."""

from __future__ import annotations

from typing import Literal

from haloctl import render


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print the completion script of a shell.

    Load it with: source <(haloctl completion bash)
    """
    from haloctl.cli import build_app

    render.result(build_app().generate_completion(prog_name="haloctl", shell=shell))
    return 0
