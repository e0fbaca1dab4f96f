"""Tokens that say as much about presence as the real ones, and nothing about the item."""

import numpy as np

from models.data import TokenTable

_STREAM = 2
"""Draws of their own: with those of `cold_item`, cold items would be dealt the tokens of cold ones.
"""


def permuted(table: TokenTable, seed: int) -> TokenTable:
    """The same tokens shuffled among the items that have any (permutation importance,
    Breiman 2001).

    Who has the modality stays as it is, and so does every feature's distribution; what is lost is
    that a token belongs to its item. Each item gets the rows of one other item, with the instants
    at which they were known; two items or more leave none with its own.
    """
    owners = np.unique(table.items)
    circle = np.random.default_rng((seed, _STREAM)).permutation(owners)
    given_to = np.zeros(table.n_items, dtype=table.items.dtype)
    given_to[circle] = np.roll(circle, 1)
    items = given_to[table.items]
    order = np.lexsort((table.known_at, items))
    return TokenTable(table.n_items, items[order], table.known_at[order], table.features[order])
