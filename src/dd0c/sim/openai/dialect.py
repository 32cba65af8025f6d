"""What all of OpenAI's endpoints share: headers, errors, the list of models."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from dd0c.sim import catalogue
from dd0c.sim.faults import NONE, Faults
from dd0c.sim.http import Answer, Refusal, encode

CREATED: Final = 1_767_225_600  # 2026-01-01
ID_HEADER: Final = b"x-request-id"
HEADERS: Final = (
    b"access-control-expose-headers: X-Request-ID\r\n"
    b"openai-organization: dd0c-simulator\r\nopenai-version: 2020-10-01\r\n"
    b"x-ratelimit-limit-requests: 10000\r\nx-ratelimit-limit-tokens: 2000000\r\n"
    b"x-ratelimit-remaining-requests: %d\r\nx-ratelimit-remaining-tokens: %d\r\n"
    b"x-ratelimit-reset-requests: 6ms\r\nx-ratelimit-reset-tokens: 30ms\r\n"
    b"openai-processing-ms: %d\r\n"
)
ERRORS: Final = {  # status -> type, code, message
    400: ("invalid_request_error", None, "The request is not valid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Not supported here."),
    404: ("invalid_request_error", None, "Invalid URL."),
    408: ("invalid_request_error", None, "The request took too long to arrive."),
    409: ("invalid_request_error", None, "The resource is being changed by another request."),
    413: ("invalid_request_error", None, "The request is too large."),
    429: (
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for requests per min (RPM): Limit 10000, Used 10000, Requested 1. "
        "Please try again later. "
        "Visit https://platform.openai.com/account/rate-limits to learn more.",
    ),
    500: (
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}
NO_KEY = (
    "You didn't provide an API key. You need to provide your API key in an Authorization header "
    "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
)
BAD_JSON: Final = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
    "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
    "valid JSON.)"
)


def check(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """What a decoder makes of a body, its complaints as a Refusal of this dialect."""
    try:
        value = decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refusal(400, BAD_JSON) from None
    if value.model.startswith(catalogue.UNKNOWN):
        message = f"The model `{value.model}` does not exist or you do not have access to it."
        raise Refusal(404, message, code="model_not_found")
    return value


def _invalid(complaint: str) -> Refusal:
    if missing := re.search(r"missing required field `(\w+)`", complaint):
        name = missing[1]
        if name == "model":
            return Refusal(400, "you must provide a model parameter")
        message = f"Missing required parameter: '{name}'."
        return Refusal(400, message, param=name, code="missing_required_parameter")
    problem, _, place = complaint.partition(" - at `$.")
    if not place:
        return Refusal(400, BAD_JSON)
    name = place.rstrip("`")
    message = f"Invalid value for '{name}': {problem}."
    return Refusal(400, message, param=name, code="invalid_value")


def list_models() -> Answer:
    """GET /v1/models."""
    body = {"object": "list", "data": [_model(model) for model in catalogue.OPENAI]}
    return Answer(200, headers(), ID_HEADER, encode(body))


def get_model(name: str) -> Answer:
    """GET /v1/models/{name}."""
    model = catalogue.BY_NAME.get(name)
    if model is None:
        message = f"The model '{name}' does not exist"
        raise Refusal(404, message, param="model", code="model_not_found")
    return Answer(200, headers(), ID_HEADER, encode(_model(model)))


def _model(model: catalogue.Model) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": model.owner,
    }


def refuse(refusal: Refusal, faults: Faults, request_id: str) -> Answer:
    """An error in OpenAI's shape and with its headers."""
    error = error_of(refusal.status)
    if refusal.message:
        error |= {"message": refusal.message, "code": refusal.code or None}
    body = {"error": error | {"param": refusal.param}}
    lines = headers(faults, limited=refusal.status == 429)
    wait_s = 1.0 if refusal.status == 429 and faults.retry_after is None else faults.retry_after
    if wait_s is not None:
        lines += b"retry-after: %g\r\nretry-after-ms: %d\r\n" % (wait_s, wait_s * 1000)
    if faults.should_retry is not None:
        lines += b"x-should-retry: %b\r\n" % (b"true" if faults.should_retry else b"false")
    return Answer(refusal.status, lines, ID_HEADER, encode(body))


def error_of(status: int) -> dict[str, Any]:
    """What OpenAI says with a status."""
    kind, code, message = ERRORS.get(status) or ERRORS[500 if status >= 500 else 400]
    return {"message": message, "type": kind, "param": None, "code": code}


def headers(faults: Faults = NONE, *, limited: bool = False) -> bytes:
    """The header lines OpenAI adds to every answer."""
    return HEADERS % (0 if limited else 9999, 1_999_000, faults.latency or 1)
