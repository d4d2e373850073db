"""The error codes of contract §11.1 with their statuses, and those that no answer has, with the reason."""

DOCUMENTED = {
    20001: 400,  # a bad request, or a change of state that is not possible
    20002: 400,  # a friendly name that is none
    20003: 401,  # no credentials, or wrong ones
    20004: 405,  # not a method of this resource
    20005: 403,  # the account is not active
    20006: 403,  # the token does not cover the call
    20007: 400,  # too large a page
    20101: 401,  # a token that cannot be read
    20102: 401,  # a token's header
    20103: 401,  # a token's issuer or subject
    20104: 401,  # a token that has expired
    20105: 401,  # a token that does not hold yet
    20106: 401,  # a token's grants
    20107: 401,  # a token's signature
    20403: 403,  # not for these credentials
    20404: 404,  # there is no such thing
    20409: 409,  # in conflict with what is there
    20412: 412,  # If-Match does not match
    20413: 413,  # too long a body
    20422: 400,  # a parameter
    20423: 400,  # a SID
    20426: 426,  # another protocol is needed
    20429: 429,  # too many requests
    20500: 500,  # a fault of the server
    20503: 503,  # not available now
    21481: 400,  # a page token that is none
    14240: 400,  # too many workers are active
    14241: 400,  # statistics from before the last 30 days
    40153: 400,  # a page by its number, without a token
}

NOT_ANSWERED = {
    20007: "a page size above 1,000 is taken for 1,000: the clients send their limit as it is",
    20422: "TaskRouter answers 20001 for every bad parameter",
    20423: "a bad SID in a body or filter is a bad parameter, 20001; in a path it is 20404",
    20426: "there is no other protocol to change to: HTTPS is the proxy's business",
    14240: "the number of workers that are active is not limited",
}
"""Documented codes that do not apply here, and why."""
