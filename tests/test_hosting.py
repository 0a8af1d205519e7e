"""Hosts: a gateway that limits requests, as Serve's may, and what Kubernetes gets."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import conftest
import pytest
import requests
import yaml
from conftest import ROOT, nginx_before
from server import free_port

KUBERNETES = ROOT / "deploy" / "kubernetes"
# as in serve-charts, apps/common/templates/_httproute.tpl; off there at present
RATE, BURST = "2r/s", 20


def objects(name):
    """Return the objects in a file for Kubernetes, {kind: object}."""
    text = (KUBERNETES / name).read_text(encoding="utf-8")
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


# --- Kubernetes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [None, ("sessionName", "sessionname"), ("Cookie", "cookie")])
def test_the_route_has_the_form_of_gateway_api(tmp_path, change):
    program = Path(sys.executable).with_name("check-jsonschema")
    if not program.exists():
        pytest.skip("check-jsonschema is not installed here; `make lint` brings it and checks this")
    text = (KUBERNETES / "httproute.yaml").read_text(encoding="utf-8")
    (tmp_path / "route.yaml").write_text(text.replace(*change) if change else text)
    schema = KUBERNETES / "httproute.schema.json"
    words = [program, "--schemafile", schema, tmp_path / "route.yaml"]
    assert bool(subprocess.run(words, capture_output=True).returncode) == bool(change)


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


# --- a limit of requests -------------------------------------------------------------------------


@contextlib.contextmanager
def limited(folder, url, monkeypatch):
    """Put nginx with the limit of serve-charts before an app, and yield the address."""
    zone = f"limit_req_zone $binary_remote_addr zone=all:10m rate={RATE};"
    monkeypatch.setattr(conftest, "NGINX", conftest.NGINX.replace("http {{", f"http {{{{ {zone}"))
    port = free_port()
    inside = f"limit_req zone=all burst={BURST} nodelay; proxy_pass {url};"
    headers = f"proxy_set_header Host 127.0.0.1:{port}; proxy_buffering off;"
    with nginx_before(folder, port, f"location / {{ {inside} {headers} }}"):
        yield f"http://127.0.0.1:{port}/"


def opened(browser_context, url):
    """Open a page in a new tab; return how many requests it made and how many were refused."""
    page, statuses = browser_context.new_page(), []
    page.on("response", lambda each: statuses.append(each.status))
    page.goto(url)
    with contextlib.suppress(TimeoutError):
        page.get_by_role("button", name="Submit").wait_for(timeout=10_000)
    page.wait_for_timeout(1000)
    works = page.get_by_role("button", name="Submit").is_visible()
    page.close()
    return works, len(statuses), statuses.count(503)


def test_a_browser_keeps_what_has_a_digest_in_its_name(running):
    url = running("bare").url
    page = requests.get(url, timeout=9)
    (name,) = re.findall(r"assets/index-[\w-]+\.css", page.text)
    assert requests.get(url + name, timeout=9).headers["cache-control"].endswith("immutable")
    assert "cache-control" not in page.headers
    missing = requests.get(f"{url}assets/missing.css", timeout=9)
    assert "immutable" not in missing.headers.get("cache-control", "")
