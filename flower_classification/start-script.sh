#!/bin/sh
# A Hugging Face Space sets the first; Gradio would look for a package that is not needed. Kubernetes
# sets the second to an address if it has a service called gradio-server; Gradio wants a number.
unset SYSTEM GRADIO_SERVER_PORT
# `exec` replaces this script with Python, so that `docker stop` reaches the app.
exec python main.py
