"""X-Twilio-Signature: the proof that a callback comes from the holder of the auth token (clients §5)."""

import base64
import hashlib
import hmac
from collections.abc import Iterable

HEADER = "X-Twilio-Signature"


def sign(auth_token: str, url: str, parameters: Iterable[tuple[str, str]] = ()) -> str:
    """Return the signature of a form POST.

    Args:
        auth_token: the account's secret.
        url: the URL exactly as it is called, without user info and fragment.
        parameters: the decoded form fields; a repeated field counts once per distinct value.
    """
    signed = url + "".join(name + value for name, value in sorted(set(parameters)))
    key = auth_token.encode("utf-8")
    digest = hmac.new(key, signed.encode("utf-8", "replace"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")
