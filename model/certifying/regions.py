"""Whether a map lies where people see the expression: the areas of its action units. That is plausibility; it says nothing of faithfulness.

A model may rightly use what no coder of faces names, and a map that flatters the eye may have nothing to do with the model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from model.certifying.judging import judged_line
from model.certifying.report import Line
from model.certifying.sample import Sample
from model.expressions import EXPRESSIONS
from model.geometry import FACE_SIZE, ferplus_geometry
from model.maps.face_regions import fit_template
from model.maps.measures import centred, mass_share

# Where each action unit moves the skin (Ekman and Friesen, Facial Action Coding System, 1978), in the names of `model.maps.face_regions`,
# "left" and "right" left out.
ACTION_UNITS = {
    1: ("brow", "forehead"),
    2: ("brow", "forehead"),
    4: ("brow", "nose bridge"),
    5: ("eye",),
    6: ("cheek", "eye corner"),
    7: ("eye",),
    9: ("nose bridge", "nose"),
    12: ("mouth corner", "cheek"),
    15: ("mouth corner",),
    16: ("mouth", "chin"),
    20: ("mouth corner", "mouth"),
    23: ("mouth",),
    26: ("mouth", "chin"),
}
# The units of each expression's prototype (EMFACS: Friesen and Ekman, 1983); a neutral face has none.
PROTOTYPES = {
    "happiness": (6, 12),
    "surprise": (1, 2, 5, 26),
    "sadness": (1, 4, 15),
    "anger": (4, 5, 7, 23),
    "disgust": (9, 15, 16),
    "fear": (1, 2, 4, 5, 7, 20, 26),
}
RULE = "plausible: more of the map's positive evidence lies there than of a random one's (mean difference above 0); plausibility only"
SOURCE = "action units: Friesen and Ekman, EMFACS, 1983; mass: Arras et al., CLEVR-XAI, Information Fusion 2022"


def expression_area(expression: str) -> NDArray[np.bool_]:
    """The pixels of a FERPlus face ``(48, 48)`` where the expression's action units are, by the mean landmarks.

    Whatever faces a model was trained on, those that it is measured on are FERPlus's.
    """
    named = {place for unit in PROTOTYPES[expression] for place in ACTION_UNITS[unit]}
    landmarks = ferplus_geometry().landmarks
    template = fit_template(landmarks, landmarks)
    centres = (np.arange(FACE_SIZE) + 0.5) / FACE_SIZE
    places = [[template.place((x, y)) for x in centres] for y in centres]
    return np.array([[_sideless(place) in named for place in row] for row in places])


def _sideless(place: str) -> str:
    return place.removeprefix("left ").removeprefix("right ")


def region_lines(sample: Sample, seed: int) -> Iterator[Line]:
    """A line for each expression that has action units, on the faces labelled so, of that expression's map."""
    generator, maps = np.random.default_rng(seed), centred(sample.outputs.maps.double().numpy())
    for expression, units in PROTOTYPES.items():
        index = EXPRESSIONS.index(expression)
        cells = maps[(sample.faces.labels == index).numpy(), index]
        if not len(cells):
            continue
        area = expression_area(expression)
        own = mass_share(sample.enlarged(cells), area)
        chance = mass_share(sample.enlarged(generator.standard_normal(cells.shape)), area)
        yield judged_line(
            key=f"region_{expression}",
            section="plausibility",
            title=f"Evidence for {expression} in the area of its action units",
            unit="share of the map's positive evidence",
            source=SOURCE,
            rule=RULE,
            chance_title="random maps",
            figure=own,
            chance=chance,
            margin=own - chance,
            note=f"{' + '.join(f'AU{unit}' for unit in units)}: {area.mean():.0%} of the crop; {len(cells)} faces.",
        )
