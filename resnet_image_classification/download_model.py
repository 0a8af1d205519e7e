"""Download the ResNet18 weights into data/ and check them.

python download_model.py               from the addresses below, unless the file is there already
python download_model.py --url URL     from another address, such as your institution's mirror
python download_model.py --file PATH   no network: check and copy a file that you already have
python download_model.py --if-missing  do nothing if any file (perhaps your own) is there already
"""

import _thread
import argparse
import atexit
import contextlib
import errno
import filecmp
import os
import shutil
import signal
import socket
import sys
import threading
import time
import zipfile
from pathlib import Path

try:
    import pooch
    import requests
    from tqdm import tqdm
except ImportError:
    sys.exit("Install what this app needs first: pip install -r requirements.txt")

# The model: its place, the addresses to try in turn, and what is known of the right file
FILE = Path(__file__).parent / "data" / "image_classification_resnet18.pth"
SOURCES = (
    "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    "https://nextcloud.dc.scilifelab.se/s/6znJ2FPZPyLKaGa/download",
)
SHA256 = (  # PyTorch has published two files; the second address may have the older one
    "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec",
    "5c106cde386e87d4033832f2996f5493238eda96ccf559d1d62760c4de0613f8",
)
MIN_BYTES = 46_827_520  # the older file
MAX_BYTES = 46_830_571

TIMEOUT_S = 30  # without any data
TOTAL_S = 4 * 3600  # for one attempt
RETRY_WAITS_S = (2, 10)  # before the second and the third attempt
PART = FILE.parent / ".download-new" / FILE.name  # moved to FILE once it is whole and checked
CHECK = "SHA-256 digest" if SHA256 else "PyTorch format (no digest was published)"


def find_fault(path):
    """Return what is wrong with a file, or None if it is the model."""
    with path.open("rb") as file:
        start = file.read(1000)
    if b"<html" in start.lower() or b"<!doctype html" in start.lower():
        return "it is a web page instead of the model (often one to sign in)"
    size = path.stat().st_size
    if not MIN_BYTES <= size <= MAX_BYTES:
        return f"its size is wrong ({size:,} bytes): it may have been cut short"
    if SHA256:
        good = pooch.file_hash(str(path)).startswith(SHA256)
    elif (0x1950A86A20F9469CFC6C).to_bytes(10, "little") in start[:32]:
        good = True  # PyTorch's older format, which has no checksums, begins with this number
    else:
        try:
            with zipfile.ZipFile(path) as archive:
                good = "/data.pkl" in "".join(archive.namelist()) and archive.testzip() is None
        except Exception:  # a damaged archive can fail in many ways
            good = False
    return None if good else f"it is another file, or damaged: wrong {CHECK}"


class TooLong(ValueError):
    """A download that has no end; the message says so."""


class Limited:
    """A file that takes no more bytes than the model can have."""

    def __init__(self, file):
        self.file, self.left = file, MAX_BYTES

    def write(self, chunk):
        self.left -= len(chunk)
        if self.left < 0:
            raise TooLong(f"it sends more than {MAX_BYTES:,} bytes, so it is another file")
        return self.file.write(chunk)

    def flush(self):
        self.file.flush()


@contextlib.contextmanager
def time_limit():
    """Raise TooLong after TOTAL_S, even if the server never gets as far as sending data."""
    late = threading.Event()
    timer = threading.Timer(TOTAL_S, lambda: (late.set(), _thread.interrupt_main()))
    timer.daemon = True
    timer.start()
    try:
        yield
    except KeyboardInterrupt:
        if not late.is_set():
            raise
        raise TooLong(f"it was not complete after {TOTAL_S:,} s") from None
    finally:
        timer.cancel()


def explain(error):
    """Return why a download failed, and whether another attempt may help."""
    if isinstance(error, TooLong):
        return str(error), False
    if isinstance(error, requests.HTTPError):
        status = error.response.status_code
        reason = "has no such file (404)" if status == 404 else f"responded with error {status}"
        return f"the server {reason}", status == 429 or status >= 500
    cause = error
    while cause.__context__:  # the first error of the chain has the plainest words
        cause = cause.__context__
    if isinstance(cause, socket.gaierror):
        return "there is no network, or no server with this name", False
    # a malformed address is a ValueError, an untrusted certificate an SSLError
    temporary = not isinstance(error, (ValueError, requests.exceptions.SSLError))
    return f"the download failed ({type(error).__name__}: {cause})", temporary


def download(url):
    """Fetch PART, in up to three attempts. Return what went wrong, or None."""
    bar = {"bytes": False, "unit": "B", "unit_scale": True, "delay": 0.1}  # in MB, once data comes
    for wait in (*RETRY_WAITS_S, None):
        print(f"Downloading {url}", flush=True)
        try:
            with PART.open("wb") as file, tqdm.wrapattr(file, "write", MIN_BYTES, **bar) as out:
                fetch = pooch.HTTPDownloader(timeout=TIMEOUT_S, chunk_size=2**16)
                with time_limit():
                    fetch(url, Limited(out), None)
            return find_fault(PART)
        except (requests.RequestException, ValueError) as error:
            fault, temporary = explain(error)
        if not temporary or wait is None:
            return fault
        print(f"{url}: {fault}. Trying again in {wait} s.", file=sys.stderr)
        time.sleep(wait)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--url", help="download from here, such as your institution's mirror")
    either.add_argument("--file", type=Path, help="check and copy this file that you already have")
    parser.add_argument("--if-missing", action="store_true", help="do nothing if a file is there")
    args = parser.parse_args()
    if args.if_missing and FILE.exists():
        return
    if FILE.exists():
        fault = find_fault(FILE)
        if fault:
            print(f"{FILE}: {fault}. It stays until a good one is there.", flush=True)
        elif args.file is None or filecmp.cmp(args.file, FILE, shallow=False):
            return print(f"{FILE} is already there. Checked: size and {CHECK}.")
    PART.parent.mkdir(parents=True, exist_ok=True)
    atexit.register(shutil.rmtree, PART.parent, ignore_errors=True)  # also after a failure
    if args.file:
        shutil.copyfile(args.file, PART)
    for source in [args.file or args.url] if args.file or args.url else SOURCES:
        fault = find_fault(PART) if args.file else download(source)
        if not fault:
            break
        print(f"{source}: {fault}.", file=sys.stderr)
    else:
        sys.exit("Nothing was saved. Try --url (a mirror) or --file (a copy): see --help.")
    PART.chmod(0o644)  # in a container, the app runs as another user
    old = FILE
    while os.path.lexists(old):  # an earlier .replaced is not overwritten either
        old = old.with_name(old.name + ".replaced")
    if old != FILE:
        os.replace(FILE, old)
        print(f"The previous file is now {old}")
    os.replace(PART, FILE)
    print(f"Saved {FILE}. Checked: size and {CHECK}.")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stop as on Ctrl-C
    try:
        main()
    except KeyboardInterrupt:
        print("Stopped. Nothing was saved; run this again to start over.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            error = f"the disk or your quota is full; make room in {FILE.parent}"
        sys.exit(f"Nothing was saved: {error}.")
