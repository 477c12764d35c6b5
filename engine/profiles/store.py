"""The profile file: one JSON document, replaced atomically."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import msgspec

from engine.errors import ConfigError
from engine.profiles.records import Measurements


class ProfileStore:
    """Measurements kept at `path`. Several processes may save; the last one wins, readers see whole files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> Measurements:
        """What is remembered; nothing when there is no file. Raises ConfigError when it cannot be read."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return Measurements()
        except OSError as error:
            raise ConfigError(
                f"{self.path}: profiles cannot be read: {error.strerror}", fix="check its permissions"
            ) from error
        try:
            return msgspec.json.decode(data, type=Measurements)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{self.path}: profiles are damaged: {error}",
                fix="delete the file, then measure again with `haloctl calibrate`",
            ) from error

    def save(self, measurements: Measurements) -> None:
        """Replace the file. Raises ConfigError when it cannot be written."""
        text = msgspec.json.format(msgspec.json.encode(measurements, order="sorted"), indent=1)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(text + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, self.path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise ConfigError(
                f"{self.path}: profiles cannot be written: {error.strerror}",
                fix="make the folder writable, or set another cache folder",
            ) from error
