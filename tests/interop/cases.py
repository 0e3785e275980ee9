"""The list of cases: sentences with the function that shows them."""

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Case:
    """One case."""

    sentence: str
    run: typing.Callable


CASES = []


def case(sentence):
    """Adds the decorated function, which gets the shared server, under its sentence."""

    def add(run):
        CASES.append(Case(sentence, run))
        return run

    return add


def check(condition, *shown):
    """Fails the case with what was seen instead."""
    if not condition:
        raise AssertionError(" ".join(str(part) for part in shown))
