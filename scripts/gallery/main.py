"""The gallery: all apps on one page, and each of them on a path of its own."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "scripts"))

from gallery import serve

if __name__ == "__main__":
    serve.launch(server_name="0.0.0.0", server_port=int(os.environ.get("PORT", 8080)))
