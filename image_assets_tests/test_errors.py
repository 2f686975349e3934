"""Typed errors keep their code and hint wherever they go, and never carry a secret."""

from __future__ import annotations

import copy
import inspect
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest
from hypothesis import given, strategies as st

from image_assets import errors
from image_assets.errors import (
    AccessDeniedError,
    FrameError,
    ImageAssetsError,
    InputError,
    PermanentError,
    StalePlanError,
    TransientError,
    UnreachableError,
)
from image_assets.redaction import MASK, register_secret

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ImageAssetsError)]
words = st.text(max_size=40)


@pytest.mark.parametrize("kind", ALL)
@given(message=words, hint=words, code=st.none() | st.text(min_size=1, max_size=10))
def test_every_error_survives_pickling_with_code_and_hint(
    kind: type[ImageAssetsError], message: str, hint: str, code: str | None
) -> None:
    error = kind(message, code=code, hint=hint)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is kind
        assert (twin.message, twin.code, twin.hint, str(twin)) == (error.message, error.code, error.hint, str(error))
        assert twin.permanent is error.permanent


def _fail() -> None:
    raise UnreachableError("The server is gone.", code="gone", hint="Start it.")


def test_an_error_raised_in_another_process_arrives_whole() -> None:
    with ProcessPoolExecutor(1) as pool, pytest.raises(UnreachableError) as caught:
        pool.submit(_fail).result()
    assert (caught.value.code, caught.value.hint, caught.value.permanent) == ("gone", "Start it.", False)


def test_the_text_of_an_error_is_its_message_and_its_hint() -> None:
    assert str(InputError("The file is empty.", hint="Fill it.")) == "The file is empty. Fill it."
    assert str(InputError("The file is empty.")) == "The file is empty."


def test_secrets_are_masked_when_an_error_is_made() -> None:
    register_secret("secret-of-an-error")
    error = PermanentError(
        "It is secret-of-an-error.", hint="Try postgresql://u:pw12@h/d instead of secret-of-an-error."
    )
    assert error.args == (f"It is {MASK}.",)
    assert "secret-of-an-error" not in repr(error) + str(error) + error.hint
    assert "pw12" not in str(error)
    assert b"secret-of-an-error" not in pickle.dumps(error)


@pytest.mark.parametrize("kind", ALL)
def test_only_transient_errors_are_worth_another_try(kind: type[ImageAssetsError]) -> None:
    assert kind("x").permanent is not issubclass(kind, TransientError)


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind not in (ImageAssetsError, PermanentError)])
def test_every_kind_has_a_code_of_its_own(kind: type[ImageAssetsError]) -> None:
    assert [other for other in ALL if other.code == kind.code] == [kind]


def test_a_code_given_to_one_error_is_not_that_of_the_others() -> None:
    assert FrameError("x", code="old_frame").code == "old_frame"
    assert FrameError("x").code == "frame"
    assert {StalePlanError("x").code, AccessDeniedError("x").code} == {"stale_plan", "access_denied"}
