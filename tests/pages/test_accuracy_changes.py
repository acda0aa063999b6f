"""What the claims open with: printed and measured changes of accuracy, a chart for each length of runs."""

from __future__ import annotations

from pathlib import Path

from model.expressions import EXPRESSIONS
from model.measuring.results import RESULTS_FOLDER, save_result
from tests.made_results import make_result
from tests.pages.test_pages import make_client


def save_pair(folder: Path, epochs: int, right: int) -> None:
    save_result(folder, make_result(epochs=epochs, right=EXPRESSIONS[:4]))
    save_result(folder, make_result(method="mek", epochs=epochs, right=EXPRESSIONS[:right]))


def test_the_claims_open_with_a_chart_for_each_length_of_runs(random_checkpoints: Path, tmp_path: Path) -> None:
    client = make_client(random_checkpoints, tmp_path)
    assert "What does each method add" not in client.get("/claims").text
    save_pair(tmp_path / RESULTS_FOLDER, 10, 5)
    one = client.get("/claims").text
    save_pair(tmp_path / RESULTS_FOLDER / "epochs30", 30, 6)
    two = client.get("/claims").text

    assert one.index("What does each method add") < one.index("Not measured yet")
    assert "In print MEK adds +3.1 points of overall and +3.4 of mean accuracy" in one
    assert "Measured here, one seed: +14.3 [" in one and "+28.6" not in one
    assert (one.count('class="plot" viewBox'), two.count('class="plot" viewBox')) == (2, 4)
    assert two.index("Runs of 10 epochs") < two.index("+14.3 [") < two.index("Runs of 30 epochs") < two.index("+28.6 [")
