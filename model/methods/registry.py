"""The training methods by name."""

from __future__ import annotations

from model.methods.base import Method
from model.methods.baseline import Baseline
from model.methods.bbn import BilateralBranch
from model.methods.cac import ContrastiveConsistency
from model.methods.cb import ClassBalanced
from model.methods.eac import Eac
from model.methods.mek import Mek
from model.methods.mek_sf import MekScaleFree
from model.methods.mek_votes import MekVotes
from model.methods.rul import RelativeUncertainty
from model.methods.scn import SelfCure
from model.methods.settings import find_settings
from model.methods.soft import SoftLabelSmoothing
from model.methods.votes import Votes

_ALL: tuple[type[Method], ...] = (
    Baseline,
    ClassBalanced,
    SelfCure,
    BilateralBranch,
    RelativeUncertainty,
    SoftLabelSmoothing,
    Eac,
    Mek,
    MekScaleFree,
    ContrastiveConsistency,
    Votes,
    MekVotes,
)
METHODS: dict[str, type[Method]] = {method.name: method for method in _ALL}


def find_method(name: str) -> type[Method]:
    """A method's class.

    Raises:
        InputError: unknown name; the message lists the known ones.
    """
    find_settings(name)
    return METHODS[name]
