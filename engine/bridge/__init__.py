"""The event bridge: websocket and calls at `/v1/wschannels`, as Twilio's browser SDK speaks them."""
