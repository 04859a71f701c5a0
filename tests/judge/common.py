"""What the judges share: their command line, the simulator while a client leads lives on it, and models of pydantic."""

import contextlib
import datetime
import pathlib
import re
import subprocess
import sys

from pydantic import BaseModel

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@contextlib.contextmanager
def served(command):
    """The simulator's standard output, while it runs."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as simulator:
        # It ends with its input, which ends with this block.
        try:
            yield simulator.stdout
        finally:
            simulator.stdin.close()
    assert simulator.returncode == 0, simulator.returncode


def run(usage, judge_the_judge, judge_bodies, judge_the_simulator):
    """Runs what the command line asks for; before anything else the judge is judged."""
    judge_the_judge()
    match sys.argv[1:]:
        case ["bodies", folder]:
            judge_bodies(pathlib.Path(folder))
        case ["life", _, *_]:
            judge_the_simulator(sys.argv[2:])
        case _:
            sys.exit(usage)


def strangers(value, read, is_answer, names_of, at=""):
    """What is in the JSON and not in what a model of pydantic read of it. `names_of` gives a model's names in JSON."""
    # One of several models or types: the one that it is.
    while hasattr(read, "actual_instance"):
        read = read.actual_instance
    if isinstance(read, BaseModel):
        names = names_of(type(read), is_answer)
        for name, inner in value.items():
            if name not in names:
                yield f"{at}.{name} is unknown"
            elif inner is None:
                # The models refuse it where an answer must have a value.
                if not is_answer:
                    yield f"{at}.{name} is null"
            else:
                inner_read = getattr(read, names[name])
                yield from strangers(inner, inner_read, is_answer, names_of, f"{at}.{name}")
    elif isinstance(read, list):
        for number, (inner, inner_read) in enumerate(zip(value, read, strict=True)):
            yield from strangers(inner, inner_read, is_answer, names_of, f"{at}[{number}]")
    elif isinstance(read, datetime.datetime):
        if not isinstance(value, str) or not MOMENT.fullmatch(value):
            yield f"{at}: {value!r} is no date"
