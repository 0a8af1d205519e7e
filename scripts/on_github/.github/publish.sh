#!/usr/bin/env bash
# The steps of workflows/publish.yml, each by its name: bash .github/publish.sh choose
set -euo pipefail

# Serve keeps the first image that it fetched by a tag: each version needs a new one
choose() {
  if [[ ! $TAG =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$ || $TAG == latest ]]; then
    echo "::error::The tag cannot be \"$TAG\". Choose one that you never used, such as v2."
    exit 1
  fi
  repository=${GITHUB_REPOSITORY,,} # the name of an image has no capital letters
  echo "IMAGE=ghcr.io/$repository:$TAG" >> "$GITHUB_ENV"
}

# The weights, unless they are in data/
fetch() {
  [[ -f download_model.py ]] || return 0
  python3 -m venv "$RUNNER_TEMP/venv"
  "$RUNNER_TEMP/venv/bin/pip" install --quiet -c constraints.txt pooch requests tqdm
  "$RUNNER_TEMP/venv/bin/python" download_model.py --if-missing
}

build() {
  # Docker would add attestations, which make a list of images; Serve takes one image
  BUILDX_NO_DEFAULT_ATTESTATIONS=1 docker build --platform linux/amd64 --tag "$IMAGE" \
    --build-arg SOURCE="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" \
    --build-arg VERSION="$TAG" .
}

# As Serve runs it
try() {
  docker run --detach --name app --publish 127.0.0.1:8080:8080 \
    --user 1000:1000 --cap-drop ALL --security-opt no-new-privileges \
    --cpus 2 --memory 4g --read-only --tmpfs /tmp \
    --entrypoint /bin/sh "$IMAGE" -c './start-script.sh;'
  for attempt in {1..60}; do
    if curl --silent --fail --output /dev/null http://127.0.0.1:8080; then
      echo "The page opened at attempt $attempt."
      docker rm --force app
      return
    fi
    [[ $(docker inspect --format '{{.State.Running}}' app) == true ]] || break
    sleep 2
  done
  docker logs app
  echo "::error::Its page did not open. What the app printed is above this line."
  exit 1
}

# Unless the tag is taken
publish() {
  docker login "${IMAGE%%/*}" --username "$GITHUB_ACTOR" --password-stdin <<< "$TOKEN"
  if docker manifest inspect "$IMAGE" > /dev/null 2>&1; then
    echo "::error::$IMAGE is there already. Run this again with another tag."
    exit 1
  fi
  docker push "$IMAGE"
}

# What to enter on Serve
say() {
  package=${GITHUB_REPOSITORY#*/}
  page=$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/pkgs/container/${package,,}
  cat >> "$GITHUB_STEP_SUMMARY" <<END
Published. Enter on SciLifeLab Serve, with port 8080: \`$IMAGE\`

The first time, **make it public**, or Serve cannot fetch it: open [the package]($page),
then **Package settings**, **Change visibility**, **Public**.
END
}

"$1"
