"""The frontend's own variables."""

import pytest

from servicekit.settings import SettingsFault
from storefront_frontend.settings import read_settings


@pytest.mark.parametrize(
    ("environment", "fault"),
    [
        ({}, "BACKEND_URL must be set"),
        ({"BACKEND_URL": "ftp://backend"}, "BACKEND_URL must start with one of http://, https://"),
    ],
)
def test_the_backend_is_required(environment, fault):
    with pytest.raises(SettingsFault) as caught:
        read_settings(environment)

    assert caught.value.faults == (fault,)


def test_a_password_in_the_address_is_not_shown():
    assert "s3cret" not in repr(read_settings({"BACKEND_URL": "http://shop:s3cret@backend"}))
