"""Hosts: what Kubernetes gets, and how little is asked of an app behind a limit of requests."""

import re

import pytest
import requests
import yaml
from conftest import ROOT, nginx_before
from playwright.sync_api import expect
from server import free_port

KUBERNETES = ROOT / "deploy" / "kubernetes"


def objects(name):
    """Return the objects in a file for Kubernetes, {kind: object}."""
    text = (KUBERNETES / name).read_text(encoding="utf-8")
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


# --- Kubernetes ----------------------------------------------------------------------------------


def test_route_and_ingress_lead_to_the_service_of_the_app_and_keep_users_apart():
    app = objects("app.yaml")
    service, port = app["Service"]["metadata"]["name"], app["Service"]["spec"]["ports"][0]
    (route,) = objects("httproute.yaml")["HTTPRoute"]["spec"]["rules"]
    assert route["backendRefs"] == [{"name": service, "port": port["port"]}]
    assert route["sessionPersistence"]["type"] == "Cookie"
    (path,) = objects("ingress.yaml")["Ingress"]["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": service, "port": {"name": port["name"]}}
    for name in ("app.yaml", "scaled.yaml"):
        pod = objects(name)["Deployment"]["spec"]["template"]["spec"]
        assert pod["enableServiceLinks"] is False


# --- a limit of requests: as few of them as an app can do with ------------------------------------


@pytest.mark.slow
def test_a_browser_keeps_what_has_a_digest_in_its_name(running):
    url = running("bare").url
    page = requests.get(url, timeout=9)
    (name,) = re.findall(r"assets/index-[\w-]+\.css", page.text)
    assert requests.get(url + name, timeout=9).headers["cache-control"].endswith("immutable")
    for other in (page, requests.get(f"{url}assets/missing.css", timeout=9)):
        assert "immutable" not in other.headers.get("cache-control", "")


# what the browser did not have; nginx itself responds to /favicon.ico here
SENT = "performance.getEntries().filter(e => e.transferSize && !/favicon/.test(e.name)).length"


@pytest.mark.parametrize(("name", "most"), [("bare", 2), ("resnet", 5)])
@pytest.mark.long
def test_a_page_opens_behind_a_limit_if_the_browser_has_been_there(
    running, browser, tmp_path, name, most
):
    """The limit that the gateway of SciLifeLab Serve can set, for requests with this header."""
    location = (
        f"location / {{ limit_req zone=limited burst=20 nodelay; proxy_pass {running(name).url}; }}"
    )
    page, port, sent = browser.new_context().new_page(), free_port(), []
    with nginx_before(tmp_path, port, location):
        for header in ({}, {"X-Limited": "yes"}):
            page.set_extra_http_headers(header)
            page.goto(f"http://127.0.0.1:{port}/")
            expect(page.get_by_role("button", name="Submit")).to_be_enabled()
            page.wait_for_load_state("networkidle")
            sent += [page.evaluate(SENT)]
    page.context.close()
    first, second = sent
    assert second <= most < 20 < first  # the text says so: Many users
