"""Answers from a model: greedy and beam search with the recurrent cache, in batches of unequal prompts."""

from .decoder import Decoder
from .search import beam_search, generate, greedy_search

__all__ = ["Decoder", "beam_search", "generate", "greedy_search"]
