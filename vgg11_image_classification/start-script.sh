#!/bin/sh
# Kubernetes sets this to an address if it has a service called gradio-server; Gradio wants a number.
unset GRADIO_SERVER_PORT
# `exec` replaces this script with Python, so that `docker stop` reaches the app.
exec python main.py
