#!/usr/bin/env bash
# The steps of workflows/publish.yml, each by its name: bash .github/publish.sh choose
set -euo pipefail

# Serve keeps the first image that it fetched by a tag: each run makes a new one
choose() {
  repository=${GITHUB_REPOSITORY,,} # the name of an image has no capital letters
  {
    echo "TAG=v$GITHUB_RUN_NUMBER"
    echo "IMAGE=ghcr.io/$repository:v$GITHUB_RUN_NUMBER"
  } >> "$GITHUB_ENV"
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

# As Serve runs it, and called as a program would
try() {
  docker run --detach --name app --publish 127.0.0.1:8080:8080 \
    --volume "$PWD/checks:/home/app/checks:ro" \
    --user 1000:1000 --cap-drop ALL --security-opt no-new-privileges \
    --cpus 2 --memory 4g --read-only --tmpfs /tmp \
    --entrypoint /bin/sh "$IMAGE" -c './start-script.sh;'
  for attempt in {1..60}; do
    if curl --silent --fail --output /dev/null http://127.0.0.1:8080; then
      echo "The page opened at attempt $attempt."
      docker exec app python checks/smoke.py main.py --url http://127.0.0.1:8080 && passed=yes
      break
    fi
    [[ $(docker inspect --format '{{.State.Running}}' app) == true ]] || break
    sleep 2
  done
  [[ ${passed:-} ]] || docker logs app
  docker rm --force app
  [[ ${passed:-} ]] || fail "The app does not work in its image. The lines above say why."
}

fail() {
  echo "::error::$1"
  exit 1
}

# Unless the tag is taken
publish() {
  docker login "${IMAGE%%/*}" --username "$GITHUB_ACTOR" --password-stdin <<< "$TOKEN"
  if docker manifest inspect "$IMAGE" > /dev/null 2>&1; then
    fail "$IMAGE is there already. The next push makes another tag."
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
