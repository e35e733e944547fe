"""README.md of a pile: a dataset card, made from nothing but the pile's provenance."""

from spikemill.services.merger.card.page import HubCard, provenance_sentence, render_card
from spikemill.services.merger.card.sources import card_head

__all__ = ["HubCard", "card_head", "provenance_sentence", "render_card"]
