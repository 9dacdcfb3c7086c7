"""Functions of the user's as templates: `@template`."""

from __future__ import annotations

import hashlib
import inspect
import math
import os
import sysconfig
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from importlib import import_module
from inspect import Parameter
from types import CodeType
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints, overload

from fi_async import _catalogue
from fi_async._errors import ConfigurationError, FunctionError
from fi_async._models import Template
from fi_async._public import public
from fi_async.backends.functions import Finding

_TYPES: Final = (
    'bool, float, int, str, Literal["a", "b"], list of these two, or a tuple of one of them and a str, the reason'
)
_MOST_FRAMES: Final = 5
_LONGEST: Final = 500  # characters of what a function's exception says


@public
class FunctionTemplate:
    """A function of yours that answers a template of the same name; `template` makes it. It stays callable.

    Attributes:
        eval_name: What it is called in reports: the function's name, unless another was given.
        template: Its keys, which are the function's parameters, and its output type, which is the annotation's.
        fingerprint: Changes when the function does: a hash of its `version`, or of its source.
        is_async: True for a coroutine function: it is awaited in the event loop. Others run in threads.
        processes: How many processes of its own it runs in; 0 for none.
    """

    backend = "code"

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        version: str | None = None,
        choices: Mapping[str, float] | None = None,
        processes: int = 0,
    ) -> None:
        self.function = function
        self.eval_name = str(name or getattr(function, "__name__", ""))
        self.is_async = inspect.iscoroutinefunction(function)
        self.processes = _processes(self._said(), processes, is_async=self.is_async)
        required, optional = self._keys()
        self._hint, self._with_reason = self._returns()
        self.choices = choices
        output_type, labels = _output_type(self._said(), self._hint, choices)
        self.template = Template(
            name=self.eval_name,
            required_keys=required,
            optional_keys=optional,
            output_type=output_type,
            description=(inspect.getdoc(function) or "").partition("\n")[0],
            choices=labels,
            system=False,
            raw=True,
        )
        self.fingerprint = _fingerprint(function, version, choices)
        update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        keys = ", ".join((*self.template.required_keys, *self.template.optional_keys))
        return f"<FunctionTemplate {self.eval_name}({keys}) -> {self.template.output_type}>"

    @property
    def pytestmark(self) -> list[Any]:
        """The marks of pytest that it has: none."""
        return []

    @pytestmark.setter
    def pytestmark(self, _: object) -> None:
        # To pytest, a mark that is given one function and no keyword decorates that function.
        raise ConfigurationError(
            f"{self.eval_name} would be marked itself, and not the test: give the mark a keyword too, such as"
            f" inputs=..., or write @pytest.mark.fi_eval.with_args({self.eval_name})"
        )

    def _said(self) -> str:
        return f"@template on {self.eval_name or 'a function without a name'}"

    def _keys(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the names of the parameters that a case has to have, and of those that have a default."""
        said = self._said()
        required: list[str] = []
        optional: list[str] = []
        if not callable(self.function) or inspect.isclass(self.function):
            raise ConfigurationError(f"@template decorates a function, not {type(self.function).__name__}")
        if not self.eval_name.strip() or self.eval_name == "<lambda>":
            raise ConfigurationError(f"{said}: give it a name, as in template(name=...)")
        if self.eval_name in _catalogue.rows():
            raise ConfigurationError(
                f"{said}: the platform has a template of that name: choose another, or give name=..."
            )
        for each in inspect.signature(self.function).parameters.values():
            if each.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
                stars = "*" if each.kind is Parameter.VAR_POSITIONAL else "**"
                raise ConfigurationError(
                    f"{said}: {stars}{each.name} names no input key: name each key that the function takes"
                )
            if each.kind is Parameter.POSITIONAL_ONLY:
                raise ConfigurationError(f"{said}: {each.name} is positional only, and inputs are passed by name")
            (required if each.default is Parameter.empty else optional).append(each.name)
        if not required and not optional:
            raise ConfigurationError(f"{said}: it has no parameters: name each input key that the function takes")
        return tuple(required), tuple(optional)

    def _returns(self) -> tuple[Any, bool]:
        """Return the annotation of the output, and whether a reason comes with it."""
        said = self._said()
        try:
            hint = get_type_hints(self.function).get("return", Parameter.empty)
        except Exception as error:  # noqa: BLE001  # whatever a name in them raises
            raise ConfigurationError(f"{said}: its annotations cannot be read: {error}") from None
        if hint is Parameter.empty:
            raise ConfigurationError(f"{said}: annotate what it returns: {_TYPES}")
        if get_origin(hint) is tuple and len(get_args(hint)) == 2 and get_args(hint)[1] in (str, str | None):
            return get_args(hint)[0], True
        return hint, False

    def check(self, params: Mapping[str, Any]) -> None:
        """Return if there are no parameters: a function takes its inputs, and nothing beside.

        Raises:
            ConfigurationError: There are.
        """
        if params:
            raise ConfigurationError(
                f"eval_config: {self.eval_name} is a function, and takes no parameters beside its inputs"
            )

    def call(self, values: Mapping[str, Any], params: Mapping[str, Any]) -> Any:  # noqa: ARG002  # has none
        """Return what the function does, or what to await for it."""
        return self.function(**values)

    def verdict(self, said: Any) -> Finding:
        """Return what the function returned as an output of the template's type.

        Raises:
            FunctionError: It is of another type, or no number, or no label of those there are.
        """
        reason = None
        if self._with_reason:
            if not isinstance(said, tuple) or len(said) != 2 or not isinstance(said[1], str | None):
                raise self._odd(said, "a tuple of an output and a reason")
            said, reason = said
        return Finding(self._output(said), reason)

    def _output(self, said: Any) -> Any:
        kind, labels = self.template.output_type, self.template.choices
        if kind == "Pass/Fail":
            if not _is_bool(said):
                raise self._odd(said, "a bool")
            return "Passed" if said else "Failed"
        if kind == "score":
            number = _number(said)
            if number is None:
                raise self._odd(said, "a finite number")
            return number
        if kind == "reason":
            if not isinstance(said, str):
                raise self._odd(said, "a str")
            return said
        if get_origin(self._hint) is list:
            if not isinstance(said, list) or not all(
                isinstance(each, str) and (not labels or each in labels) for each in said
            ):
                raise self._odd(said, f"a list of {', '.join(labels) or 'str'}")
            return list(said)
        if not isinstance(said, str) or said not in labels:
            raise self._odd(said, f"one of {', '.join(labels)}")
        return said if self.choices is None else {"score": self.choices[said], "choice": said}

    def _odd(self, said: Any, wanted: str) -> FunctionError:
        # Of what it returned only the kind, unless it is short: it may be an input.
        shown = repr(said) if isinstance(said, bool | float | int | None) else f"a {type(said).__name__}"
        return FunctionError(f"{self.eval_name} returned {shown[:40]}, and not {wanted}, as its annotation says")

    def failure(self, error: BaseException) -> FunctionError:
        """Return what the function raised as the failure of one case, with those frames that are the user's."""
        if isinstance(error, FunctionError):
            return error
        shown = frames_of(error)
        words = str(error)[:_LONGEST]
        at = f", at {shown[-1].rpartition('/')[2]}" if shown else ""
        said = f"{type(error).__name__}: {words}" if words else type(error).__name__
        return FunctionError(f"{self.eval_name} raised {said}{at}", frames=tuple(shown))


def frames_of(error: BaseException) -> list[str]:
    """Return the frames that an exception came through which are the user's, the innermost last: a few at most."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _is_installed(frame.filename)] or frames[-1:]
    return [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in theirs[-_MOST_FRAMES:]]


_NOT_THEIRS: Final = (  # frames of this package, of Python and of what is installed
    os.path.dirname(os.path.dirname(__file__)),  # noqa: PTH120  # as tracebacks spell it
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    "<frozen",
)
_COMPILED: Final = (".pyx", ".pxd", ".pxi")  # whose frames name no place on this machine


def _is_installed(filename: str) -> bool:
    return filename.startswith(_NOT_THEIRS) or filename.endswith(_COMPILED)


@overload
def template(function: Callable[..., Any], /) -> FunctionTemplate: ...


@overload
def template(
    *,
    name: str | None = ...,
    version: str | None = ...,
    choices: Mapping[str, float] | None = ...,
    processes: int = ...,
) -> Callable[[Callable[..., Any]], FunctionTemplate]: ...


@public
def template(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    version: str | None = None,
    choices: Mapping[str, float] | None = None,
    processes: int = 0,
) -> FunctionTemplate | Callable[[Callable[..., Any]], FunctionTemplate]:
    """Return a function of yours as a template: its parameters are the input keys, its annotation the output type.

    `bool` is Pass/Fail, `float` and `int` a score, `Literal["a", "b"]` a choice, `list[str]` or a list of a Literal
    several labels, `str` a text without a score. A tuple of one of these and a `str` gives a reason too. Values are
    handed over as the case has them, lists and numbers too. What it raises, a NaN and a value of another type fail that
    case, and no other. The function stays callable.

    Args:
        function: The function; a coroutine function is awaited, any other runs in a thread.
        name: What reports call it; the function's name where omitted.
        version: Change it when the function's verdicts change: a kept run then evaluates anew. The source is taken
            where omitted, and what it calls is not seen.
        choices: The score of each label of a `Literal`.
        processes: Run it in so many processes of its own, for what keeps a processor busy. It has to be importable:
            defined at the top of a module.

    Raises:
        ConfigurationError: A parameter or the annotation cannot be used; the message says what to do.

    Example:
        >>> @template
        ... def is_short(output: str) -> bool:
        ...     return len(output) < 100
        >>> is_short("four words are few"), is_short.template.output_type
        (True, 'Pass/Fail')
    """

    def decorate(function: Callable[..., Any]) -> FunctionTemplate:
        return FunctionTemplate(function, name=name, version=version, choices=choices, processes=processes)

    return decorate if function is None else decorate(function)


def _processes(said: str, processes: object, *, is_async: bool) -> int:
    if isinstance(processes, bool) or not isinstance(processes, int) or processes < 0:
        raise ConfigurationError(f"{said}: processes must be a whole number from 0, not {processes!r}")
    if processes and is_async:
        raise ConfigurationError(f"{said}: a coroutine function runs in the event loop: leave processes out, or async")
    return processes


def _output_type(said: str, hint: Any, choices: Mapping[str, float] | None) -> tuple[str, tuple[str, ...]]:
    """Return the output type that an annotation means, and the labels that it names."""
    is_list = get_origin(hint) is list and len(get_args(hint)) == 1
    inner = get_args(hint)[0] if is_list else hint
    labels = get_args(inner) if get_origin(inner) is Literal else ()
    if choices is not None:
        if is_list or set(choices) != set(labels):
            raise ConfigurationError(f"{said}: choices must give the score of each label of its Literal: {labels!r}")
        if any(_number(each) is None for each in choices.values()):
            raise ConfigurationError(f"{said}: choices must be finite numbers by label, not {dict(choices)!r}")
    if labels and all(isinstance(label, str) for label in labels):
        return "choices", labels
    if is_list and inner is str:
        return "choices", ()
    kinds: Mapping[Any, str] = {bool: "Pass/Fail", float: "score", int: "score", str: "reason"}
    if not is_list and isinstance(hint, type) and hint in kinds:
        return kinds[hint], ()
    raise ConfigurationError(f"{said}: {hint!r} is no output type: return {_TYPES}")


def _is_bool(value: object) -> bool:
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def _number(value: object) -> float | None:
    """Return a finite number of any library as a float; None if it is none."""
    if _is_bool(value) or isinstance(value, str) or not hasattr(value, "__float__"):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _fingerprint(function: Callable[..., Any], version: str | None, choices: Mapping[str, float] | None) -> str:
    if version is not None:
        what = f"version {version}"
    else:
        try:
            what = inspect.getsource(function)
        except (OSError, TypeError):  # typed at a prompt, or made by a program
            what = repr(_code_of(getattr(function, "__code__", None)))
    return hashlib.sha256(f"{what}\n{sorted((choices or {}).items())}".encode()).hexdigest()


def _code_of(code: CodeType | None) -> Sequence[Any]:
    """Return what makes a function's code the same as another's, without where it stands."""
    if code is None:
        return ()
    constants = [_code_of(each) if isinstance(each, CodeType) else each for each in code.co_consts]
    return [code.co_code, code.co_names, constants]


def named(module: str, qualified_name: str) -> FunctionTemplate:
    """Return the decorated function of this name: how another process finds it.

    Raises:
        ConfigurationError: There is none.
    """
    found: Any = None
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there, and what it imports is not
    for part in qualified_name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, FunctionTemplate):
        raise ConfigurationError(
            f"{qualified_name} cannot be found in {module}: with processes= a function has to stand at the top of a"
            " module that can be imported"
        )
    return found
