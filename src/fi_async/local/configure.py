"""POST configure-evaluations/: would this evaluation, run on traces of another platform, be accepted?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from fi_async.local import envelopes, fields, templates, validation
from fi_async.local.envelopes import HttpReply, Refused
from fi_async.local.fields import Field

_PLATFORM = "langfuse"
_CREDENTIALS = ("langfuse_secret_key", "langfuse_public_key", "langfuse_host")
_CANNOT = "Failed to configure evaluations."


def configure(body: Any, own_templates: frozenset[str]) -> HttpReply:
    """Return the verdict on a configuration.

    As recorded, a system template ends in a 500 once the fields are right; the rest is looked at only for
    the organisation's own.
    """
    content = fields.as_object(body)
    values, messages = fields.checked(content, _FIELDS)
    fields.refuse_all(messages)
    name = _check_evaluation(values["eval_config"])
    if name not in own_templates:
        return envelopes.server_error(_CANNOT)
    if values["platform"] != _PLATFORM:
        _refuse("platform", f"Value '{values['platform']}' is not a valid choice.")
    if values["custom_eval_name"] is None:
        _refuse("name", "This field cannot be null.")
    _check_credentials(content)
    return envelopes.success({"message": "Configuration is valid."})


def _check_evaluation(config: Mapping[str, Any]) -> str:
    """Return the name of the template, which exists and accepts the keys of the inputs."""
    values, messages = fields.checked(config, _EVALUATION)
    fields.refuse_all(messages, "eval_config.")
    name: str = values["eval_templates"]
    template = templates.template_named(name)
    if template is None:
        validation.refuse("eval_config.non_field_errors", f"Evaluation template with name :{name} not found.")
    if message := validation.wrong_keys(template, values["inputs"]):
        validation.refuse("eval_config.inputs", message)
    return name


def _check_credentials(body: Mapping[str, Any]) -> None:
    missing = [name for name in _CREDENTIALS if name not in body]
    if missing:
        _refuse("credentials", f"Missing required credentials for {_PLATFORM} platform: {', '.join(missing)}")
    empty = [name for name in _CREDENTIALS if not body[name]]
    if empty:
        _refuse(
            "credentials",
            f"Values for these credentials cannot be null or empty for {_PLATFORM} platform: {', '.join(empty)}",
        )


def _refuse(field: str, text: str) -> NoReturn:
    raise Refused(envelopes.about_field(field, text))


_FIELDS = {
    "eval_config": Field(fields.dictionary),
    "platform": Field(fields.filled_text),
    "custom_eval_name": Field(fields.text, None, nullable=True),
}
_EVALUATION = {"eval_templates": Field(fields.filled_text), "inputs": Field(fields.dictionary)}
