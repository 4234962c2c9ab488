import base64

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from broker.web import guard
from broker.web.guard import Guard, Limit


def client(**arguments):
    app = FastAPI()
    app.get("/search")(lambda: {"found": True})
    arguments = {"password": None, "trusted_header": None} | arguments
    app.add_middleware(Guard, **arguments)
    return TestClient(app)


def test_every_answer_has_the_headers_that_keep_scripts_out():
    for path in ("/search", "/nothing"):
        headers = client().get(path).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("given", [None, "Basic ", "Basic " + base64.b64encode(b"eve:guess").decode(), "Bearer é"])
def test_whoever_does_not_know_the_password_is_told_to_sign_in(given):
    headers = {} if given is None else {"Authorization": given.encode()}
    answer = client(password="ada:secret").get("/search", headers=headers)
    assert answer.status_code == 401
    assert "secret" not in answer.text + str(answer.headers)


def test_whoever_knows_it_is_let_in():
    assert client(password="ada:secret").get("/search", auth=("ada", "secret")).status_code == 200


def test_behind_a_proxy_only_the_proxy_is_answered():
    made = client(trusted_header="X-Forwarded-User")
    assert made.get("/search").status_code == 403
    assert made.get("/search", headers={"X-Forwarded-User": "ada"}).status_code == 200


def test_searches_are_bounded_and_the_bound_comes_back_with_time(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(guard, "monotonic", lambda: now[0])
    made = client(searches_a_minute=3)
    assert [made.get("/search").status_code for _ in range(4)] == [200, 200, 200, 429]
    now[0] += 20
    assert made.get("/search").status_code == 200


def test_clients_are_not_remembered_for_ever():
    limit = Limit(10)
    for i in range(guard.MOST_CLIENTS + 50):
        limit.takes(str(i))
    assert len(limit._left) == guard.MOST_CLIENTS


def test_a_page_elsewhere_that_takes_this_machines_address_is_not_answered():
    made = client(hosts=frozenset({"127.0.0.1", "localhost", "::1"}))
    for host, status in (
        ("127.0.0.1:8480", 200), ("localhost", 200), ("[::1]:8480", 200), ("LOCALHOST:1", 200),
        ("evil.example:8480", 421),
        ("127.0.0.1.evil.example", 421), ("", 421), ("[::1", 200), ("[", 421),
    ):  # fmt: skip
        assert made.get("/search", headers={"Host": host}).status_code == status, host


def test_behind_a_password_or_a_proxy_any_name_will_do():
    assert client(password="a:b", hosts=frozenset({"localhost"})).get("/search", auth=("a", "b")).status_code == 200


def test_guesses_of_a_password_are_bounded_and_then_not_even_the_right_one_is_looked_at(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(guard, "monotonic", lambda: now[0])
    made = client(password="ada:secret", searches_a_minute=3)
    assert [made.get("/", auth=("ada", str(i))).status_code for i in range(4)] == [401, 401, 401, 429]
    late = made.get("/", auth=("ada", "secret"))
    assert (late.status_code, late.headers["retry-after"]) == (429, "10")
    now[0] += 20
    assert made.get("/", auth=("ada", "secret")).status_code == 404  # let in: there is no such page


def test_the_right_password_is_no_guess():
    made = client(password="ada:secret", searches_a_minute=3)
    assert {made.get("/", auth=("ada", "secret")).status_code for _ in range(9)} == {404}
    assert [made.get("/").status_code for _ in range(9)] == [401] * 9  # nor is none


def test_what_is_refused_is_json_for_programs():
    made = client(searches_a_minute=1)
    assert made.get("/api/search").status_code == 404
    answer = made.get("/api/search")
    assert (answer.status_code, answer.json()) == (429, {"detail": "too many searches; wait a little"})
