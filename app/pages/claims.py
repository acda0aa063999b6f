"""The page of the paper's conclusions as measurements, from ``checkpoints/claims.json``."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from app.errors import ErrorCode, Problem, unusable_file
from app.explaining.service import service_of
from app.numbers import estimate
from app.pages.accuracy_changes import accuracy_changes
from app.pages.charts import MARGIN, SIDE, TOP, interval_plot, scatter_plot
from app.pages.dataset_faces import shows_faces
from app.pages.results import of_results
from app.pages.templating import PageRoute, render
from model.claims.report import CLAIMS_FILE, ClaimsError, ClaimsReport, load_claims

if TYPE_CHECKING:
    from pathlib import Path

    from model.claims.report import Claim, FaceMean, Faithfulness, Measure, PointSet
    from model.measuring.estimate import Estimate

router = APIRouter(include_in_schema=False, route_class=PageRoute)
data_router = APIRouter(include_in_schema=False)  # what the page's script fetches: it reads problems as JSON

EXTREME_FACES = 6  # named beside a scatter plot, at either end
# agreement of maps says little where any two faces' maps agree, or each with itself mirrored
PLOTTED_BESIDE = ("floor", "above_floor", "own_symmetry", "own_mirror_found", "changed_answers", "total_variation")
QUALIFYING = "above_floor"  # said beside the verdict itself
COMMAND = "unturned claims --data FERPLUS"
VERDICTS = {"holds": "yes", "does not hold": "no", "undecided": "open"}  # names of the badges' colours


@router.get("/claims")
async def claims(request: Request) -> Response:
    """The claims, measured and judged."""
    settings = service_of(request).settings
    changes = await of_results(settings.checkpoint_dir, accuracy_changes)
    context = {"section": "/claims", "command": COMMAND, "dataset": shows_faces(settings), "changes": changes}
    return render(request, "claims.html", context | _measured(request))


@data_router.get("/claims/points/{claim}/{key}.json")
async def points(request: Request, claim: str, key: str) -> Response:
    """The faces of one scatter plot and where they are drawn, for the browser to find the face behind a dot."""
    shown = [part for each in _measured(request).get("claims", ()) if each["claim"].key == claim for part in each["points"]]
    found, plot = next(((part["points"], part["plot"]) for part in shown if part["points"].key == key), (None, None))
    if found is None or plot is None:
        raise Problem(ErrorCode.NOT_FOUND)
    drawn = {"margin": MARGIN, "side": SIDE, "top": TOP, "low": plot.low, "high": plot.high}
    return JSONResponse(drawn | {"faces": found.faces, "baseline": found.baseline, "ours": found.ours})


def _measured(request: Request) -> dict[str, Any]:
    """What the page shows of the report; no ``report`` where nothing was measured.

    Raises:
        Problem: ``internal_error`` for a report that cannot be used.
    """
    folder = service_of(request).settings.checkpoint_dir
    try:
        return _read(folder, (folder / CLAIMS_FILE).stat().st_mtime_ns)
    except FileNotFoundError:
        return {"report": None}
    except ClaimsError as error:
        remedy = f"The command {COMMAND} writes the file again."
        raise unusable_file(error, folder, "What was measured cannot be used.", remedy) from error


@lru_cache(maxsize=1)
def _read(folder: Path, _changed: int) -> dict[str, Any]:
    """The report of a folder with its plots; made again when the time of its last change is another."""
    report = load_claims(folder)
    return {
        "report": report,
        "other_peers": _other_peers(report),
        "claims": [_claim(claim, report) for claim in report.claims],
        "accuracies": [_measure(measure, report) for measure in report.accuracies],
        "faithfulness": _faithfulness(report.faithfulness),
    }


def _other_peers(report: ClaimsReport) -> list[str]:
    """What models are set against that is not the baseline: plain training as long as theirs."""
    against = {model.against for model in report.models.values() if model.against is not None}
    return sorted(against - {report.baseline})


def _claim(claim: Claim, report: ClaimsReport) -> dict[str, Any]:
    verdict = claim.verdicts.get(report.ours, "undecided")
    return {
        "claim": claim,
        "verdict": claim.verdict_of(report.ours) if report.ours in claim.verdicts else verdict,
        "badge": VERDICTS[verdict],
        "qualified": [_qualification(measure, report) for measure in claim.measures if measure.key == QUALIFYING],
        "others": "; ".join(f"{name} {claim.verdict_of(name)}" for name in claim.verdicts if name != report.ours),
        "measures": [_measure(measure, report) for measure in claim.measures],
        "points": [_points(point_set) for point_set in claim.points],
    }


def _qualification(measure: Measure, report: ClaimsReport) -> str:
    """What a verdict is to be read with, in a few words."""
    difference = _difference(measure.differences[report.ours]) if report.ours in measure.differences else "not measured"
    return f"{measure.title.lower()}, against {report.models[report.ours].against or report.baseline}: {difference}"


def _measure(measure: Measure, report: ClaimsReport) -> dict[str, Any]:
    rows = [
        {
            "name": name,
            "value": _figure(value),
            "difference": _difference(measure.differences[name]) if name in measure.differences else "",
            "verdict": measure.verdicts.get(name, ""),
        }
        for name, value in measure.models.items()
    ]
    plotted = measure.decides or measure.key in PLOTTED_BESIDE
    return {"measure": measure, "plot": interval_plot(measure, report.ours), "rows": rows, "plotted": plotted}


def _points(points: PointSet) -> dict[str, Any]:
    gains = sorted(zip(points.ours, points.baseline, points.faces, strict=True), key=lambda face: face[0] - face[1])
    return {
        "points": points,
        "plot": scatter_plot(points),
        "least": [face for _, _, face in gains[:EXTREME_FACES]],
        "most": [face for _, _, face in reversed(gains[-EXTREME_FACES:])],
        "above": sum(ours > baseline for ours, baseline, _ in gains),
    }


def _faithfulness(measured: Faithfulness | None) -> dict[str, Any] | None:
    """The table of ROAD scores: a row a model."""
    if measured is None:
        return None
    columns = ("map", "random", "gain", "removing_highest", "removing_lowest")
    rows = [{"name": name, "values": [_mean(getattr(figures, column)) for column in columns]} for name, figures in measured.models.items()]
    differences = [(name, _mean(figure)) for name, figure in measured.differences.items()]
    return {"rule": measured.rule, "faces": measured.faces, "rows": rows, "differences": differences}


def _figure(figure: Estimate) -> str:
    return estimate(figure.value, figure.interval)


def _difference(figure: Estimate) -> str:
    return estimate(figure.value, figure.interval, signed=True)


def _mean(figure: FaceMean) -> str:
    return estimate(figure.mean, figure.interval)


router.include_router(data_router)
