"""Access tokens: made well formed, refused by checksum, told apart by their whole length."""

import string
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.tokens import LENGTH, hash_token, hint, new_token, well_formed

BASE62 = string.ascii_letters + string.digits


def test_new_tokens_are_well_formed_and_distinct() -> None:
    made = {new_token() for _ in range(200)}
    assert len(made) == 200
    assert all(well_formed(token) and len(token) == LENGTH == 53 for token in made)
    assert all(set(token.removeprefix("ogw_")) <= set(BASE62) for token in made)


@given(st.integers(0, LENGTH - 1), st.sampled_from(BASE62))
def test_a_wrong_letter_anywhere_is_refused(place: int, letter: str) -> None:
    token = new_token()
    wrong = token[:place] + letter + token[place + 1 :]
    assert well_formed(wrong) == (wrong == token)


@given(st.integers(4, LENGTH - 2))
def test_two_letters_exchanged_are_refused(place: int) -> None:
    token = new_token()
    swapped = token[:place] + token[place + 1] + token[place] + token[place + 2 :]
    assert well_formed(swapped) == (swapped == token)


@given(st.text(max_size=80))
def test_anything_else_is_refused_without_an_error(text: str) -> None:
    assert not well_formed(text)
    assert not well_formed("ogw_" + text)


@pytest.mark.parametrize("cut", [0, 1, 4, 47, 52])
def test_a_token_cut_short_or_lengthened_is_refused(cut: int) -> None:
    token = new_token()
    assert not well_formed(token[:cut])
    assert not well_formed(token + token[:1] * (cut + 1))


def test_the_hash_is_of_the_whole_token() -> None:
    token = new_token()
    assert hash_token(token) == sha256(token.encode()).digest()
    assert hash_token(token[:-1] + "é") != hash_token(token)
    assert not well_formed(hash_token(token).hex())
    assert hint(token) == token[-4:]
