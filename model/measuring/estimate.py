"""A figure as result files, claims and certificates keep it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Number = Annotated[float, Field(allow_inf_nan=False)]


class Estimate(BaseModel):
    """A figure and its 95% interval from the bootstrap over the faces; null where it is undefined."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Number | None
    interval: tuple[Number, Number] | None
