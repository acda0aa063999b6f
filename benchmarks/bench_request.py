"""Where the time of one request goes: a one-megapixel portrait, one face, baseline and ours, from the bytes to the JSON.

The steps are timed in this process with the service's own functions, then the whole request over a socket to a real server; the last line
is the ratio of the request to decode + detect + forward, which nobody can leave out.

    python -m benchmarks.bench_request --rounds 40
"""

from __future__ import annotations

import argparse
import asyncio

import numpy as np

from app.api.schemas import explanation_answer
from app.choices import COMPARED
from app.decoding.decoder import Decoder
from app.detection.find import find_faces
from app.explaining.loading import load_detector, load_explainer
from app.explaining.options import ExplainOptions
from app.explaining.pipeline import explain_image
from app.settings import load_settings
from benchmarks.arrivals import offer, upload_request
from benchmarks.portrait import portrait_jpeg
from benchmarks.servers import running_server
from benchmarks.timing import interleaved_medians, markdown_table, save
from model.predictor import Faces


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="rounds")
    arguments = parser.parse_args()
    picture = portrait_jpeg()
    settings = load_settings()
    detector, explainer = load_detector(settings), load_explainer(settings)
    asked = explainer.resolve(COMPARED)
    models = list(asked.values())
    with asyncio.Runner() as runner:
        decoder = Decoder.from_settings(settings)
        runner.run(decoder.start())
        image = runner.run(decoder.decode(picture))
        geometry = models[0].metadata.geometry
        faces = np.stack([face.grey for face in find_faces(image, detector, geometry).faces])
        batch = np.concatenate([faces, faces[..., ::-1]])
        predictors = [explainer.predictors[model.name] for model in models]

        def forward(images: Faces = batch) -> object:
            return [predictor(images) for predictor in predictors]

        two_requests = np.concatenate([batch, batch])

        explained = explain_image(image, detector, explainer, asked, ExplainOptions())
        steps = {
            "decode (in its process)": lambda: runner.run(decoder.decode(picture)),
            "detect": lambda: detector.detect(image.pixels),
            "bare forward, two models": forward,
            "the same for two requests in one batch": lambda: forward(two_requests),
            "crop, explain and compare": lambda: explainer.explain(faces, asked),
            "serialise to JSON": lambda: explanation_answer(explained, "benchmark").model_dump_json(),
        }
        medians = interleaved_medians(steps, arguments.rounds)
        runner.run(decoder.stop())
    with running_server("unturned") as port:
        request = upload_request("/api/v1/explanations?models=baseline,ours", picture)
        answers = [asyncio.run(offer(port, request, 1, 1))[0] for _ in range(arguments.rounds)]
    assert all(answer.status == 200 for answer in answers)
    whole = sorted(answer.milliseconds for answer in answers)
    quarter = len(whole) // 4
    medians["whole request over a socket"] = {"median": whole[2 * quarter], "low": whole[quarter], "high": whole[3 * quarter]}
    needed = sum(medians[name]["median"] for name in ("decode (in its process)", "detect", "bare forward, two models"))
    print(markdown_table(medians, "bare forward, two models"))
    ratio = medians["whole request over a socket"]["median"] / needed
    print(f"request / (decode + detect + forward) = {ratio:.2f}")
    save("request", medians, {"rounds": arguments.rounds, "megapixels": 1.0, "faces": 1, "ratio_to_needed": ratio})


if __name__ == "__main__":
    main()
