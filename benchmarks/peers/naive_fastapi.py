"""FastAPI as tutorials show it: an ``async def`` endpoint that runs the models on the event loop."""

from __future__ import annotations

import os

import uvicorn
from fastapi import FastAPI, Response, UploadFile

from benchmarks.peers.handler import Handler

app = FastAPI()
handler = Handler()


@app.post("/api/v1/explanations")
async def explain(image: UploadFile) -> Response:
    return Response(handler(await image.read()), media_type="application/json")


@app.get("/health")
async def health() -> dict[str, bool]:
    return {"live": True}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["UNTURNED_PORT"]), log_level="error")
