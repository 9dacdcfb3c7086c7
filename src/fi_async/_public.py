"""The mark of a public name: it says that it is at home in `fi_async`, wherever it is defined."""

from __future__ import annotations

from inspect import get_annotations
from typing import Any, Final, ForwardRef, TypeVar

HOME: Final = "fi_async"

_Member = TypeVar("_Member", bound=Any)


def public(member: _Member) -> _Member:
    """Return the class or function with `fi_async` as its module, so that tracebacks, reprs and pages show that.

    What its annotations name is looked for where it is defined all the same.
    """
    if isinstance(member, type):
        kinds = {
            name: ForwardRef(kind, module=member.__module__, is_class=True) if isinstance(kind, str) else kind
            for name, kind in get_annotations(member).items()
        }
        member.__annotations__ = kinds
        for name, field in getattr(member, "__dataclass_fields__", {}).items():
            field.type = kinds.get(name, field.type)
    member.__module__ = HOME
    return member
