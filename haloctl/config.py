"""Reads settings: file, then HALOCTL_* environment variables, into one frozen `Settings`.

The file is the first of: `--config`, $HALOCTL_CONFIG, `haloctl.toml` in the current folder or the nearest
parent that has one, `haloctl/config.toml` in the user's configuration folder. None is fine. Settings say
which files and hosts are read, so one that was merely found must not be a stranger's.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import platformdirs

from engine.errors import ConfigError
from engine.ir.ids import Json
from haloctl.settings import PathSettings, Settings, sections
from haloctl.suggest import closest
from haloctl.toml_place import line_of

PREFIX = "HALOCTL_"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
"""Names of workers name log files."""
_NOT_SETTINGS = {"HALOCTL_CONFIG", "HALOCTL_PROGRESS"}


@dataclass(frozen=True)
class Loaded:
    """Settings, and the file they came from (None: built-in defaults only)."""

    settings: Settings
    file: Path | None


def load_settings(
    explicit: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Loaded:
    """Find, read, check and merge settings. Raises ConfigError naming file, line and fix."""
    environ = os.environ if environ is None else environ
    file = _find(explicit, environ, Path.cwd() if cwd is None else cwd)
    text = "" if file is None else _read(file)
    raw = _parse(text, file)
    settings = _decode(raw, text, file)
    overrides = _environment(environ)
    if overrides:
        settings = _decode(_merge(raw, overrides), "", None)
    return Loaded(_resolve_paths(settings, file), file)


def _find(explicit: Path | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    named = explicit or (Path(environ["HALOCTL_CONFIG"]) if environ.get("HALOCTL_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(
                f"settings file {named} does not exist", fix="give an existing file to --config"
            )
        return named.resolve()
    for folder in (cwd.resolve(), *cwd.resolve().parents):
        if (folder / "haloctl.toml").is_file():
            return _require_own(folder / "haloctl.toml", cwd)
    personal = platformdirs.user_config_path("haloctl") / "config.toml"
    return personal if personal.is_file() else None


def _require_own(file: Path, cwd: Path) -> Path:
    """The file, if it is the user's, root's, or the owner's of the folder the user chose to work in.

    Anyone may put a file into /tmp, which is a parent of many folders.
    """
    owner = file.stat().st_uid
    if owner not in (os.geteuid(), 0, cwd.stat().st_uid):
        raise ConfigError(
            f"settings file {file} belongs to another user (uid {owner})",
            fix=f"if you trust it, name it: --config {file}",
        )
    return file


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}", fix="make it a readable UTF-8 file") from error


def _parse(text: str, file: Path | None) -> dict[str, Json]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        at = f":{place[1]}:{place[2]}" if place else ""
        message = re.sub(r"\s*\(at .*\)$", "", str(error))
        raise ConfigError(f"{file}{at}: not valid TOML: {message}", fix="correct that line") from error


def _environment(environ: Mapping[str, str]) -> dict[str, Json]:
    """HALOCTL_RUN__WINDOW=100 → {"run": {"window": 100}}; values are TOML where they parse as such."""
    found: dict[str, Json] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in _NOT_SETTINGS or "__" not in name:
            continue
        *path, key = name[len(PREFIX) :].lower().split("__")
        target = found
        for part in path:
            target = target.setdefault(part, {})
        try:
            target[key] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            target[key] = text
    return found


def _merge(base: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    """Deep union of two tables; `over` wins. Names differing only in case count as equal."""
    merged = dict(base)
    for name, value in over.items():
        name = next((known for known in merged if known.lower() == name), name)
        inner = merged.get(name)
        merged[name] = _merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _decode(raw: Mapping[str, Json], text: str, file: Path | None) -> Settings:
    known = sections()
    values: dict[str, Any] = {}
    for section, content in raw.items():
        if section not in known:
            raise _complaint(text, file, (section,), f"unknown section [{section}]", closest(section, known))
        record, named = known[section]
        if not isinstance(content, dict):
            raise _complaint(text, file, (section,), f"{section} must be a section", f"write [{section}]")
        if not named:
            values[section] = _decode_one(record, content, text, file, (section,))
            continue
        for name in content:
            if not _NAME.fullmatch(name):
                fix = "use letters, digits, _, - and ."
                raise _complaint(text, file, (section, name), f"{name!r} cannot be a name", fix)
        values[section] = {
            name: _decode_one(record, entry, text, file, (section, name)) for name, entry in content.items()
        }
    return Settings(**values)


def _decode_one(
    record: type[msgspec.Struct], content: Json, text: str, file: Path | None, path: tuple[str, ...]
) -> Any:
    section = ".".join(path)
    if not isinstance(content, dict):
        raise _complaint(text, file, path, f"{section} must be a section", f"write [{section}]")
    known = [field.name for field in msgspec.structs.fields(record)]
    for key in content:
        if key not in known:
            fix = closest(key, known)
            raise _complaint(text, file, (*path, key), f"unknown setting {key!r} in [{section}]", fix)
    try:
        return msgspec.convert(content, record, strict=True)
    except msgspec.ValidationError as error:
        at = re.search(r" - at `\$\.?([^`]*)`$", str(error))
        key = at[1] if at else ""
        message = re.sub(r" - at `[^`]*`$", "", str(error))
        name = f"{section}.{key}" if key else section
        place = (*path, re.split(r"[.\[]", key)[0]) if key else path
        raise _complaint(text, file, place, f"{name}: {message}", "see docs/reference/settings.md") from error


def complaint(loaded: Loaded, path: tuple[str, ...], message: str, fix: str) -> ConfigError:
    """An error about a setting that can be read, but asks for what is not there: with its place, and the fix.

    The variable is blamed where one sets it, or the section it is in; else the file, if there is one.
    """
    for length in range(len(path), 0, -1):
        if PREFIX + "__".join(path[:length]).upper() in os.environ:
            return _complaint("", None, path[:length], message, fix)
    if loaded.file is None:
        return ConfigError(message, fix=fix)
    return _complaint(_read(loaded.file), loaded.file, path, message, fix)


def _complaint(text: str, file: Path | None, path: tuple[str, ...], message: str, fix: str) -> ConfigError:
    """An error about the setting at `path`: with file and line, or as an environment variable."""
    if file is None:
        variable = PREFIX + "__".join(path).upper()
        return ConfigError(f"environment variable {variable}: {message}", fix=fix)
    return ConfigError(f"{file}:{line_of(text, path)}: {message}", fix=fix)


def _resolve_paths(settings: Settings, file: Path | None) -> Settings:
    """Paths of models, databases and folders made absolute, relative ones against the file's folder."""
    base = Path.cwd() if file is None else file.parent

    def absolute(path: str) -> str:
        return str((base / Path(path).expanduser()).resolve())

    models = {
        name: msgspec.structs.replace(
            model,
            gguf=absolute(model.gguf) if model.gguf else None,
            exl2=absolute(model.exl2) if model.exl2 else None,
        )
        for name, model in settings.models.items()
    }
    databases = {
        name: msgspec.structs.replace(database, url=_absolute_url(database.url, base))
        for name, database in settings.databases.items()
    }
    paths = PathSettings(
        runs=absolute(settings.paths.runs or str(platformdirs.user_data_path("haloctl") / "runs")),
        cache=absolute(settings.paths.cache or str(platformdirs.user_cache_path("haloctl"))),
    )
    return msgspec.structs.replace(settings, models=models, databases=databases, paths=paths)


def _absolute_url(url: str, base: Path) -> str:
    """A file database's URL with an absolute path; servers, and paths that hold secrets, stay as they are."""
    scheme, _, path = url.partition(":")
    if scheme not in ("duckdb", "sqlite") or path.startswith("/") or "${" in path:
        return url
    return f"{scheme}://{quote(str((base / Path(unquote(path)).expanduser()).resolve()))}"
