from detect.version import code_version


def test_the_version_is_stable_and_short() -> None:
    assert code_version() == code_version()
    assert len(code_version()) == 24
