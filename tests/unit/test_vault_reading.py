import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import UsageError, VaultError
from ciplug.values import Lease, Record
from ciplug.vault.answer import Answer
from ciplug.vault.reading import contents, route

KV2 = Record(mount="secret", path="app/dev/db", engine="kv2")
KV1 = Record(mount="kv", path="app/db", engine="kv1")
DYNAMIC = Record(mount="database", path="creds/web", engine="other")


def read(record, *, ttl=None, **body):
    return contents(record, Answer(body={"request_id": "r-1", **body}, address="https://v"), ttl)


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (KV2, "/v1/secret/data/app/dev/db"),
        (Record(mount="secret", path="db", engine="kv2", version=3), "/v1/secret/data/db?version=3"),
        (KV1, "/v1/kv/app/db"),
        (DYNAMIC, "/v1/database/creds/web"),
        (Record(mount="team/kv", path="a b/ü?#%", engine="kv2"), "/v1/team/kv/data/a%20b/%C3%BC%3F%23%25"),
        (Record(mount="secret/", path="/db", engine="kv1"), "/v1/secret/db"),
        (Record(mount="secret", path="...", engine="kv1"), "/v1/secret/..."),
    ],
)
def test_each_engine_has_its_route(record, path):
    assert route(record) == path


@pytest.mark.parametrize(
    ("mount", "path"), [("secret", "../sys"), ("secret", "a//b"), ("", "a"), (".", "a"), ("a", "")]
)
def test_a_path_that_leaves_its_place_is_refused(mount, path):
    with pytest.raises(UsageError, match="is not a path in a vault"):
        route(Record(mount=mount, path=path, engine="kv2"))


@given(st.text(min_size=1, max_size=30).filter(lambda s: "/" not in s and s not in {".", ".."}))
def test_a_segment_never_becomes_more_than_a_segment(segment):
    try:
        path = route(Record(mount="secret", path=segment, engine="kv2"))
    except UnicodeEncodeError:
        return
    assert path.count("/") == 4
    assert "?" not in path
    assert path.isascii()


def test_kv2_gives_data_and_version():
    found = read(KV2, data={"data": {"url": "x"}, "metadata": {"version": 7, "deletion_time": "", "destroyed": False}})
    assert (found.data, found.version, found.lease, found.request_id) == ({"url": "x"}, 7, None, "r-1")


def test_a_deletion_in_the_future_is_a_living_version():
    metadata = {"version": 1, "deletion_time": "2999-01-01T00:00:00Z", "destroyed": False}
    assert read(KV2, data={"data": {"a": 1}, "metadata": metadata}).data == {"a": 1}


def test_an_empty_version_is_empty():
    assert read(KV2, data={"data": {}, "metadata": {"version": 1}}).data == {}


@pytest.mark.parametrize("version", [None, "1", 1.5])
def test_a_version_that_is_no_number_is_left_out(version):
    assert read(KV2, data={"data": {}, "metadata": {"version": version}}).version is None


@pytest.mark.parametrize(
    "data", [{"url": "s3cr3t"}, {"data": {"url": "s3cr3t"}}, {"data": "s3cr3t", "metadata": "s3cr3t"}, None, [1]]
)
def test_the_answer_of_another_engine_is_refused_with_the_setting_to_change(data):
    with pytest.raises(VaultError, match="secret/app/dev/db cannot be read") as caught:
        read(KV2, data=data)
    assert "kv_version = 1" in caught.value.hint
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("data", [None, "s3cr3t", ["s3cr3t"], 5])
def test_a_version_without_data_is_refused(data):
    with pytest.raises(VaultError, match="holds no data") as caught:
        read(KV2, data={"data": data, "metadata": {"version": 1}})
    assert "s3cr3t" not in str(caught.value)


def test_kv1_is_flat_and_has_no_lease():
    found = read(KV1, data={"data": "looks like v2"}, lease_id="", lease_duration=2764800, renewable=False)
    assert (found.data, found.version, found.lease) == ({"data": "looks like v2"}, None, None)


@pytest.mark.parametrize(("ttl", "seconds"), [(None, 3600), (600.9, 600), (9999.0, 3600), (0.0, 0)])
def test_a_lease_ends_with_its_token(ttl, seconds):
    found = read(DYNAMIC, ttl=ttl, data={"username": "u"}, lease_id="l/1", lease_duration=3600, renewable=True)
    assert found.lease == Lease(id="l/1", seconds=seconds, renewable=True)


def test_a_lease_of_an_odd_shape_lasts_no_time():
    found = read(DYNAMIC, data={"username": "u"}, lease_id="l/1", lease_duration="soon", renewable="yes")
    assert found.lease == Lease(id="l/1", seconds=0, renewable=False)


@pytest.mark.parametrize("record", [KV1, DYNAMIC])
@pytest.mark.parametrize("data", [None, "s3cr3t", ["s3cr3t"]])
def test_an_answer_without_data_is_refused(record, data):
    with pytest.raises(VaultError, match="holds no data") as caught:
        read(record, data=data)
    assert "s3cr3t" not in str(caught.value)


def test_a_wrapped_answer_is_refused():
    with pytest.raises(VaultError, match="response-wrapped") as caught:
        read(KV2, data=None, wrap_info={"token": "s.wrapping"})
    assert "s.wrapping" not in str(caught.value)


@pytest.mark.parametrize("request_id", [None, 5])
def test_an_odd_request_id_is_left_out(request_id):
    assert read(KV1, data={}, request_id=request_id).request_id == ""


def test_contents_do_not_show_themselves():
    assert "hunter2" not in repr(read(KV1, data={"password": "hunter2"}))
