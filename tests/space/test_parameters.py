"""The table of hyperparameters is sound: defaults are within bounds, conditions refer to earlier parameters, all have texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from tuner.space.domains import default_domain
from tuner.space.options import Number, Option, Options, Parameter, Text
from tuner.space.parameters import PARAMETERS


def every_parameter() -> Iterator[tuple[str, Parameter]]:
    for inputs, parameters in PARAMETERS.items():
        yield from _within(parameters, prefix=f"{inputs}:")


def _within(parameters: Mapping[str, Parameter], *, prefix: str) -> Iterator[tuple[str, Parameter]]:
    for name, parameter in parameters.items():
        yield prefix + name, parameter
        if isinstance(parameter, Options):
            for option, body in parameter.options.items():
                yield from _within(body.parameters, prefix=f"{prefix}{name}.{option}.")


def every_option() -> Iterator[tuple[str, Option]]:
    for path, parameter in every_parameter():
        if isinstance(parameter, Options):
            yield from ((f"{path}.{name}", option) for name, option in parameter.options.items())


ALL = dict(every_parameter())
OPTIONS = dict(every_option())


def test_every_default_is_within_its_own_bounds() -> None:
    assert [path for path, each in ALL.items() if isinstance(each, Number) and not each.allows(each.default)] == []


def test_every_whole_number_has_a_whole_default() -> None:
    whole = {path: each.default for path, each in ALL.items() if isinstance(each, Number) and each.kind == "int"}
    assert [path for path, default in whole.items() if default != int(default)] == []


def test_every_default_option_is_among_the_options_and_good_for_every_task() -> None:
    wrong = [
        path
        for path, each in ALL.items()
        if isinstance(each, Options) and (each.default not in each.options or each.options[each.default].instead)
    ]
    assert wrong == []


def test_every_parameter_and_option_has_a_sentence_of_description() -> None:
    summaries = {path: each.summary for path, each in [*ALL.items(), *OPTIONS.items()]}
    assert [path for path, text in summaries.items() if not text.endswith(".")] == []


def test_an_option_for_some_tasks_says_why_and_names_options_for_the_others() -> None:
    for path, option in OPTIONS.items():
        if len(option.tasks) == 3:
            continue
        siblings = ALL[path.rpartition(".")[0]]
        assert isinstance(siblings, Options)
        named = [name for name in siblings.options if name in option.instead.replace(",", "").split()]
        others = {"binary", "multiclass", "multilabel"} - set(option.tasks)
        assert option.reason, path
        assert named, path
        assert all(others <= set(siblings.options[name].tasks) for name in named), path


def test_a_resampling_for_one_label_names_every_one_that_several_labels_may_have() -> None:
    resampling = ALL["text:resampling"]
    assert isinstance(resampling, Options)
    several = {name for name, option in resampling.options.items() if "multilabel" in option.tasks} - {"none"}
    for option in resampling.options.values():
        if "multilabel" not in option.tasks:
            assert several <= set(option.instead.replace(",", "").split())


@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_the_condition_of_a_parameter_is_about_an_earlier_number(inputs: str) -> None:
    table = next(parameters for name, parameters in PARAMETERS.items() if name == inputs)
    seen: set[str] = set()
    for name, parameter in table.items():
        if isinstance(parameter, Number) and parameter.need is not None:
            assert parameter.need.name in seen
            assert isinstance(table[parameter.need.name], Number)
        seen.add(name)


def test_bounds_are_shown_as_they_are() -> None:
    assert Number(summary="", kind="float", default=1, low=0, low_open=True, high=2).bounds == "above 0 and at most 2"
    assert Number(summary="", kind="float", default=1, low=0, high=1, high_open=True).bounds == "at least 0 and below 1"
    assert Number(summary="", kind="int", default=1, low=1).bounds == "at least 1"


def test_a_text_has_no_default() -> None:
    with pytest.raises(ValueError, match="no default"):
        default_domain(Text(summary="The file."))
