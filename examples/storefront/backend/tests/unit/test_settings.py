"""The backend's own variables."""

import pytest

from servicekit.settings import SettingsFault
from storefront_backend.settings import read_settings

COMPLETE = {"REDIS_URL": "redis://:s3cret@cache/0", "DATABASE_URL": "postgresql://shop:s3cret@db/shop"}


def test_the_stores_are_required():
    with pytest.raises(SettingsFault) as caught:
        read_settings({"DATABASE_URL": "mysql://db"})

    assert caught.value.faults == (
        "REDIS_URL must be set",
        "DATABASE_URL must start with one of postgresql://, postgres://",
    )


def test_passwords_are_not_shown():
    assert "s3cret" not in repr(read_settings(COMPLETE))
