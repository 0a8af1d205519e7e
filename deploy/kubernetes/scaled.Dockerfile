# The image of an app with Ray added, for scaled.yaml: the same one runs the page, Ray's head and its
# workers. Build it in the folder of the whole gallery:
#
#   docker build -f deploy/kubernetes/scaled.Dockerfile --build-arg APP=user/resnet:v1 \
#     -t user/resnet-scaled:v1 .
ARG APP
FROM ${APP}

# KubeRay checks the health of its workers with wget.
USER root
RUN apt-get update && apt-get install -y --no-install-recommends wget && rm -rf /var/lib/apt/lists/*

# The same folders as in the gallery, since these files find each other there.
WORKDIR /opt/gallery
COPY resnet_image_classification/constraints.txt resnet_image_classification/
COPY scripts/scale/requirements.txt scripts/scale/
RUN pip install --no-cache-dir --root-user-action=ignore -r scripts/scale/requirements.txt
COPY example_apps/launcher.py example_apps/guard.py example_apps/middleware.py \
     example_apps/version.py example_apps/
COPY scripts/ scripts/
ENV PYTHONPATH=/opt/gallery/scripts \
    RAY_USAGE_STATS_ENABLED=0

# Kubernetes says what each pod starts.
USER app
WORKDIR /home/app
ENTRYPOINT []
