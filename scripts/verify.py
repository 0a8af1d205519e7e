"""Compare a hosted page's predictions with the reference predictions of this folder."""

import argparse
import sys
import tempfile
from contextlib import closing

import reference_predictions
from apps import find_app

CONNECT_S = 30


def open_page(url, folder):
    """Return a client of the app at an address; raise Differs if there is none."""
    import httpx

    if not url.startswith(("http://", "https://")):
        raise reference_predictions.Differs(
            f'"{url}" is not an address. Set URL=https://..., as in a browser.'
        )
    local = httpx.URL(url).host in ("127.0.0.1", "localhost")
    try:
        return reference_predictions.open_client(url, folder, CONNECT_S, trust_env=not local)
    except Exception as error:  # whatever an address may respond
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise reference_predictions.Differs(
            f"No Gradio app responds at {url} ({reason.rstrip(': ')}).\n"
            "Does the page open in a browser? An app that was just started takes a minute."
        ) from None


def main(argv=None):
    parser = argparse.ArgumentParser(description="Compare a hosted page with its references.")
    parser.add_argument("app", help="its name, as in `make list`")
    parser.add_argument("--url", default="", help="the address of the hosted page")
    options = parser.parse_args(argv)
    app = find_app(options.app)
    with tempfile.TemporaryDirectory() as folder:
        try:
            reference_predictions.read(app)  # before the page is asked
            with closing(open_page(options.url, folder)) as client:
                print(f"{options.url}: {reference_predictions.compare(app, client)}.")
        except reference_predictions.Differs as error:
            sys.exit(f"{app.name}: {error}")
        except TimeoutError:
            sys.exit(f"{options.url} took over {reference_predictions.PREDICT_S} s to respond.")
        except Exception as error:  # what the app says, or the network does
            sys.exit(f"{options.url} gave no prediction: {error}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped.")
