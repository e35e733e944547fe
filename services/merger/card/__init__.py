"""README.md of a pile: a dataset card, made from nothing but the pile's provenance."""

from services.merger.card.head import card_head
from services.merger.card.origin import provenance_sentence
from services.merger.card.page import render_card
from services.merger.card.place import HubCard

__all__ = ["HubCard", "card_head", "provenance_sentence", "render_card"]
