#!/bin/sh
# Kubernetes sets the first to an address if it has a service called gradio-server; Gradio wants a
# number. A Hugging Face Space sets the second; Gradio would look for a package that is not needed.
unset GRADIO_SERVER_PORT SYSTEM
# `exec` replaces this script with Python, so that `docker stop` reaches the app.
exec python main.py
