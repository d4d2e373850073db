"""X-Twilio-Signature: the proof that a callback comes from the holder of the auth token (clients §5)."""

import base64
import hmac
from collections.abc import Iterable
from itertools import chain

HEADER = "X-Twilio-Signature"


def sign(auth_token: str, url: str, parameters: Iterable[tuple[str, str]] = ()) -> str:
    """Return the signature of a form POST.

    Args:
        auth_token: the account's secret.
        url: the URL exactly as it is called, without user info and fragment.
        parameters: the decoded form fields; a repeated field counts once per distinct value.
    """
    signed = url + "".join(chain.from_iterable(sorted(set(parameters))))
    digest = hmac.digest(auth_token.encode("utf-8"), signed.encode("utf-8", "replace"), "sha1")
    return base64.b64encode(digest).decode("ascii")
