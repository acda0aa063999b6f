"""LitServe with the same handler, one worker; it comes with the extra ``peers``.

No postponed annotations here: LitServe reads the type of ``request`` to know that it must parse a form.
"""

import os
from typing import Any

import litserve
from fastapi import Request, Response

from benchmarks.peers.handler import Handler


class ExplanationAPI(litserve.LitAPI):  # type: ignore[misc]
    """Upload in, the API's JSON out."""

    def setup(self, device: str) -> None:
        self.handler = Handler()

    def decode_request(self, request: Request) -> bytes:
        picture: Any = request["image"]  # LitServe hands on the parsed form
        data: bytes = picture.file.read()
        return data

    def predict(self, data: bytes) -> str:
        return self.handler(data)

    def encode_response(self, output: str) -> Response:
        return Response(output, media_type="application/json")


if __name__ == "__main__":
    server = litserve.LitServer(ExplanationAPI(api_path="/api/v1/explanations"), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(os.environ["UNTURNED_PORT"]), generate_client_file=False, log_level="error")
