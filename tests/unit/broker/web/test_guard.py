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
