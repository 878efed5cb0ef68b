"""Errors as OpenAI's clients read them: a status, and JSON with a sentence, a type, a code and the field meant."""

from starlette.responses import JSONResponse, Response

from core.config import describe_os_error
from playground.error_text import describe_error


class ApiError(Exception):
    """What is wrong with a request, and the status with which it is answered."""

    def __init__(self, message: str, code: str | None = None, param: str | None = None, status: int = 400):
        super().__init__(message)
        self.message, self.code, self.param, self.status = message, code, param, status

    def to_json(self) -> dict[str, dict[str, str | None]]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        return JSONResponse(self.to_json(), self.status)


def api_error(error: Exception) -> ApiError:
    """Any error as one of the API's; what is not a matter of the request is logged, and is the server's."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, ValueError):
        return ApiError(str(error))
    if isinstance(error, OSError):
        return ApiError(describe_os_error(error), status=500)
    return ApiError(describe_error(error), status=500)
