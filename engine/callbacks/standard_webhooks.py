"""The headers of Standard Webhooks, beside the signature that Twilio's libraries check.

A receiver verifies them with any Standard Webhooks library; the secret is `whsec_` and the base64 of the
account's auth token.
"""

import base64
import hmac


def headers(token: str, message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return `webhook-id`, `webhook-timestamp` and `webhook-signature` of a request.

    Args:
        token: the account's auth token.
        message_id: the same for every attempt.
        timestamp_s: when this attempt is made; receivers refuse old ones.
        body: as it is sent.
    """
    signed = f"{message_id}.{timestamp_s}.".encode() + body
    digest = hmac.digest(token.encode(), signed, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": "v1," + base64.b64encode(digest).decode("ascii"),
    }
