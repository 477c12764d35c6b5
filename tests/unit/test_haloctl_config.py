"""Settings: where they come from, what wins, and errors that name file, line and fix."""

import os
from pathlib import Path

import pytest

from engine.errors import ConfigError
from haloctl.config import load_settings
from haloctl.settings import size_bytes, tool_settings


def load(folder, text, environ=None, name="haloctl.toml"):
    (folder / name).write_text(text, encoding="utf-8")
    return load_settings(environ=environ or {}, cwd=folder).settings


def complaint(folder, text, environ=None):
    with pytest.raises(ConfigError) as caught:
        load(folder, text, environ)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_no_file_gives_defaults(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    loaded = load_settings(environ={}, cwd=tmp_path)
    assert loaded.file is None
    assert loaded.settings.models == {}
    assert loaded.settings.run.window == 4096
    assert loaded.settings.paths.cache.endswith("haloctl")


def test_file_of_a_parent_folder_is_found_and_paths_are_relative_to_it(tmp_path):
    (tmp_path / "haloctl.toml").write_text('[models.small]\ngguf = "files/small.gguf"\n', encoding="utf-8")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    loaded = load_settings(environ={}, cwd=below)
    assert loaded.file == tmp_path / "haloctl.toml"
    assert loaded.settings.models["small"].gguf == str(tmp_path / "files" / "small.gguf")


def test_a_strangers_file_in_a_parent_folder_is_refused_unless_it_is_named(tmp_path, monkeypatch):
    file = tmp_path / "haloctl.toml"
    file.write_text("[run]\nwindow = 3\n", encoding="utf-8")
    owners = {file: 4711}  # only root could give a file away
    true_stat = Path.stat

    def stat(path, **options):
        found = list(true_stat(path, **options))
        found[4] = owners.get(path, os.geteuid())
        return os.stat_result(found)

    monkeypatch.setattr(Path, "stat", stat)
    below = tmp_path / "mine"
    below.mkdir()
    with pytest.raises(ConfigError, match=r"belongs to another user \(uid 4711\)"):
        load_settings(environ={}, cwd=below)
    assert load_settings(file, environ={}, cwd=below).settings.run.window == 3
    owners[below] = 4711
    assert load_settings(environ={}, cwd=below).settings.run.window == 3


def test_personal_file_is_the_last_resort(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config" / "haloctl").mkdir(parents=True)
    (tmp_path / "config" / "haloctl" / "config.toml").write_text("[run]\nwindow = 7\n", encoding="utf-8")
    assert load_settings(environ={}, cwd=tmp_path).settings.run.window == 7


def test_explicit_file_wins_and_must_exist(tmp_path):
    named = tmp_path / "other.toml"
    named.write_text("[run]\nwindow = 9\n", encoding="utf-8")
    (tmp_path / "haloctl.toml").write_text("[run]\nwindow = 1\n", encoding="utf-8")
    assert load_settings(named, environ={}, cwd=tmp_path).settings.run.window == 9
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings(tmp_path / "missing.toml", environ={}, cwd=tmp_path)


def test_environment_overrides_the_file(tmp_path):
    settings = load(
        tmp_path,
        '[run]\nwindow = 5\n[workers.CPU]\nmemory = "1GiB"\n',
        {"HALOCTL_RUN__WINDOW": "12", "HALOCTL_WORKERS__CPU__MEMORY": "2GiB", "HALOCTL_PROGRESS": "plain"},
    )
    assert settings.run.window == 12
    assert settings.workers["CPU"].memory == "2GiB"


def test_environment_fault_names_the_variable(tmp_path):
    text = complaint(tmp_path, "", {"HALOCTL_RUN__WINDOW": "many"})
    assert "HALOCTL_RUN__WINDOW" in text


def test_unknown_key_has_line_and_suggestion(tmp_path):
    text = complaint(tmp_path, '[workers.cpu]\nbackend = "echo"\n\nmemry = "1GiB"\n')
    assert f"{tmp_path / 'haloctl.toml'}:4: unknown setting 'memry'" in text
    assert "did you mean 'memory'" in text


def test_unknown_section_has_line_and_suggestion(tmp_path):
    text = complaint(tmp_path, '# comment\n[model.small]\ngguf = "x.gguf"\n')
    assert "haloctl.toml:2: unknown section [model]" in text
    assert "did you mean 'models'" in text


def test_wrong_type_names_the_setting_and_its_line(tmp_path):
    text = complaint(tmp_path, '[run]\nwindow = 4\ngrace_s = "long"\n')
    assert "haloctl.toml:3: run.grace_s: Expected `float`" in text


def test_wrong_type_in_an_inline_table_is_found(tmp_path):
    text = complaint(tmp_path, "[models]\nsmall = { gguf = 1 }\n")
    assert "haloctl.toml:2: models.small.gguf" in text


def test_broken_toml_has_line_and_column(tmp_path):
    assert "haloctl.toml:2:10: not valid TOML" in complaint(tmp_path, "[run]\nwindow = \n")


def test_names_cannot_leave_a_folder(tmp_path):
    text = complaint(tmp_path, '[run]\nwindow = 1\n[workers."../x"]\nbackend = "echo"\n')
    assert "haloctl.toml:3: '../x' cannot be a name" in text


def test_a_value_where_a_section_belongs(tmp_path):
    assert "models.small must be a section" in complaint(tmp_path, "[models]\nsmall = 3\n")


def test_file_databases_become_absolute_and_servers_stay(tmp_path):
    settings = load(
        tmp_path,
        '[databases.a]\nurl = "duckdb:data/a.duckdb"\n'
        '[databases.b]\nurl = "postgresql://${env:USER}@host/db"\n'
        '[databases.c]\nurl = "sqlite:///abs/c.db"\n',
    )
    databases = tool_settings(settings, ["databases"])["databases"]
    urls = {name: entry["url"] for name, entry in databases.items()}
    assert urls["a"] == f"duckdb://{tmp_path}/data/a.duckdb"
    assert urls["b"] == "postgresql://${env:USER}@host/db"
    assert urls["c"] == "sqlite:///abs/c.db"


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GiB", 2**32), ("2GB", 2 * 10**9), ("512 MiB", 2**29), ("7", 7), ("1.5K", 1500), ("9B", 9)],
)
def test_sizes(text, size):
    assert size_bytes(text) == size
