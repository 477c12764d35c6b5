"""The installed command, run as a user runs it: a folder with settings, workflows and tables."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

COMMAND = Path(sys.executable).parent / "haloctl"

SETTINGS = """
[models.toy]
backend = "echo"

[models.other]
backend = "echo"

[paths]
runs = "runs"
cache = "{cache}"
"""

ASK = """
workflow: ask
inputs:
  question: {type: string}
models: {m: toy}
operators:
  keyword:
    kind: llm
    model: m
    prompt: "Keyword of: {{ question }}"
    max_tokens: 8
  answer:
    kind: llm
    model: m
    system: You answer briefly.
    prompt: "Question: {{ question }} Keyword: {{ keyword }}"
    max_tokens: 12
outputs:
  keyword: "{{ keyword }}"
  answer: "{{ answer }}"
"""

SHAKY = """
workflow: shaky
inputs:
  question: {type: string}
models: {m: toy}
operators:
  check:
    kind: python
    function: functions.py:check
    arguments: {question: "{{ question }}"}
    retries: 0
  remark:
    kind: llm
    model: m
    prompt: "Remark on {{ question }}"
    max_tokens: 4
outputs:
  checked: "{{ check }}"
  remark: "{{ remark }}"
"""

TOOLS_ONLY = """
workflow: tools_only
inputs:
  question: {type: string}
operators:
  check:
    kind: python
    function: functions.py:check
    arguments: {question: "{{ question }}"}
outputs:
  checked: "{{ check }}"
"""

FUNCTIONS = '''
"""Functions of the test workflows."""

import fcntl


def check(question):
    """Raises for `bad`; `wait:FILE` waits while somebody holds a lock on the file."""
    if question == "bad":
        raise ValueError("a bad question")
    if question.startswith("wait:"):
        with open(question.removeprefix("wait:")) as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
    return question.upper()
'''


@dataclass
class Place:
    """A folder, and the command run in it."""

    folder: Path
    started: list = field(default_factory=list)

    def environment(self, **extra):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("HALOCTL_")}
        return {**clean, "XDG_CONFIG_HOME": str(self.folder / "none"), **extra}

    def run(self, *arguments, input=None, timeout=120, **environment):
        return subprocess.run(
            [str(COMMAND), *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def start(self, *arguments, **environment):
        process = subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=self.folder,
            env=self.environment(**environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def clean_up(self):
        for process in self.started:
            process.kill()
            process.communicate()

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def read(self, name):
        return (self.folder / name).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """Embedded models and data are made once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def place(tmp_path, shared_cache):
    assert COMMAND.exists(), "install the package first: make setup"
    made = Place(tmp_path)
    made.write("haloctl.toml", SETTINGS.format(cache=shared_cache))
    made.write("ask.yaml", ASK)
    made.write("shaky.yaml", SHAKY)
    made.write("tools_only.yaml", TOOLS_ONLY)
    made.write("functions.py", FUNCTIONS)
    made.write("questions.csv", "id,question\na,what\nb,why\nc,what\n")
    yield made
    made.clean_up()
