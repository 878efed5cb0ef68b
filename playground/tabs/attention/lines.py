"""Attention as lines between two columns of words (Vig 2019, BertViz); the script has all weights from the grid."""

from playground.services.services import Services
from playground.tabs.attention.activation_cache import ActivationCache
from playground.ui.components import view


def build(looks: ActivationCache, services: Services) -> None:
    view("attention-lines", "tabs/attention/lines.js", "pg-lines-view")
