"""What a client asks of the platform beside evaluations of its own: datasets, pipelines, checks of configurations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fi_async._errors import ConfigurationError
from fi_async._models import Case, Inputs
from fi_async._settings import OMITTED, Omitted
from fi_async.client import Client
from fi_async.engine.one_call import fetch_once
from fi_async.runs.calls import TemplatesLike
from fi_async.wire import requests, responses
from fi_async.wire.templates import names_of

if TYPE_CHECKING:
    from fi_async.datasets.collection import Datasets


class PlatformCalls(Client):
    """A client that has the platform evaluate datasets and a project's versions, and check configurations."""

    @property
    def datasets(self) -> Datasets:
        """The datasets of the key pair: rows that are kept and evaluated on the platform.

        Raises:
            ConfigurationError: The platform is not among the client's backends.
        """
        from fi_async.datasets.collection import Datasets  # noqa: PLC0415  # not needed by who has none

        return Datasets(self._session, self._options)

    async def evaluate_pipeline(
        self, project_name: str, version: str, eval_data: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Start the evaluation of one version of a project, in one request, and return the server's answer.

        Prefer `gather`: it accounts for every row. A pipeline's results are aggregates of the rows that were scored,
        without their number, and a large pipeline may stay "processing" for ever.

        Args:
            project_name: A project that exists, of the platform's type "observe".
            version: New in the project: the server refuses one it has seen.
            eval_data: Dicts of `eval_template`, `inputs` (lists by key), `model_name` and `config`.

        Raises:
            ValidationError: The server refuses it; `fields` says why.
            AmbiguousError: It may have been accepted; `get_pipeline_results` tells.
        """
        call = requests.evaluate_pipeline(project_name, version, eval_data)
        # Sent again it would be refused as seen before, whatever became of the first.
        options = self._options.with_given(on_ambiguous="fail")
        return await fetch_once(self._session, call, options, responses.read_body)

    async def get_pipeline_results(self, project_name: str, versions: Sequence[str]) -> dict[str, Any]:
        """Return the server's answer on some versions of a project: aggregates only, once all are done.

        Rows that failed are left out of the aggregates, and the answer does not say how many: `gather` does.

        Args:
            project_name: A project that exists.
            versions: The names of its versions.

        Raises:
            ConfigurationError: `versions` is not a list of names.
            ValidationError: A version is unknown.
        """
        if isinstance(versions, str) or not all(isinstance(version, str) for version in versions):
            raise ConfigurationError("versions must be a list of names")
        call = requests.pipeline_results(project_name, versions)
        return await fetch_once(self._session, call, self._options, responses.read_body)

    async def configure_evaluations(
        self,
        /,
        eval_templates: TemplatesLike,
        inputs: Inputs | Case | Sequence[Inputs | Case],
        *,
        platform: str = "langfuse",
        custom_eval_name: str | None,
        model_name: str | Omitted | None = OMITTED,
        model: str | Omitted | None = OMITTED,
        span_id: str | None = None,
        trace_id: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Have a tracing platform's configuration checked, and return the server's answer. Evaluates nothing.

        Args:
            eval_templates: One template.
            inputs: Where the inputs come from in the platform's spans, by key.
            platform: "langfuse".
            custom_eval_name: The name the platform shows.
            model_name: The judge; the client's where omitted.
            model: Another word for `model_name`.
            span_id: The span; that of the current OpenTelemetry span where omitted.
            trace_id: The trace; that of the current OpenTelemetry span where omitted.
            **fields: Credentials of the platform, where they differ from the client's.

        Raises:
            ConfigurationError: The name is missing, or there is no one template and dict of inputs.
            APIError: The server refuses it.
        """
        if not custom_eval_name:
            raise ConfigurationError("custom_eval_name is missing: the platform shows the evaluation under it")
        names = names_of(eval_templates)
        if not isinstance(inputs, Mapping) or len(names) != 1:
            raise ConfigurationError("a platform's configuration takes one template and one dict of inputs")
        span = {"span_id": span_id, "trace_id": trace_id}
        body = {
            "eval_config": {
                "eval_templates": names[0],
                "inputs": dict(inputs),
                "model_name": self._options.with_given(model_name=model_name, model=model).model_name,
            },
            "platform": platform,
            "custom_eval_name": custom_eval_name,
            **(self._langfuse if platform == "langfuse" else {}),
            **current_span(),
            **{name: value for name, value in span.items() if value},
            **fields,
        }
        answer = await fetch_once(self._session, requests.configure_evaluations(body), self._options, responses.read)
        return answer if isinstance(answer, dict) else {"message": answer}


def current_span() -> dict[str, str]:
    """Return the ids of the current OpenTelemetry span; empty without one, or without OpenTelemetry."""
    try:
        from opentelemetry import trace  # noqa: PLC0415  # used where the program has it
    except ImportError:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"span_id": format(context.span_id, "016x"), "trace_id": format(context.trace_id, "032x")}
