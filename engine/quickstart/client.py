"""A small client of the REST API, used as any client would: form fields in, JSON out, Basic auth."""

from typing import Any, Self

from aiohttp import BasicAuth, ClientError, ClientSession, ClientTimeout

from engine.errors import PointsmanError


class ApiError(PointsmanError):
    """The daemon refused a request, or did not answer; `status` is 0 when it did not."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class ApiClient:
    """Talks to one daemon on behalf of one account. Close it when done (async with)."""

    def __init__(self, base_url: str, account_sid: str, auth_token: str) -> None:
        self._session = ClientSession(
            base_url, auth=BasicAuth(account_sid, auth_token), timeout=ClientTimeout(total=10)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(self, path: str, **fields: str | int) -> dict[str, Any]:
        """Create or update: returns the resource. Raises ApiError."""
        return await self._call("POST", path, data={name: str(value) for name, value in fields.items()})

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Fetch or list: returns the resource or the page. Raises ApiError."""
        return await self._call("GET", path, params={name: str(value) for name, value in query.items()})

    async def _call(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        try:
            async with self._session.request(method, path, **sent) as answer:
                body: dict[str, Any] = await answer.json()
        except (ClientError, TimeoutError, ValueError) as error:
            raise ApiError(f"{method} {path}: {error or type(error).__name__}") from error
        if answer.status >= 400:
            raise ApiError(f"{method} {path}: {answer.status} {body.get('message')}", answer.status)
        return body
