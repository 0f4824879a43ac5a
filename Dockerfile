# ciplug as an image for CI jobs: the tool, git and certificates, run by a user without rights.
#
#   docker build -t ciplug .
#   docker run --rm -v "$PWD:/work:ro" ciplug check
#
# The base is named by an exact tag. To pin it by content as well, put the digest that
#   docker buildx imagetools inspect python:3.12.12-slim-bookworm
# prints behind both names below: python:3.12.12-slim-bookworm@sha256:<digest>
# Both stages must stay on the same Python: the environment built in the first is copied as it is.

FROM python:3.12.12-slim-bookworm AS build

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY ciplug ./ciplug
COPY platforms ./platforms

# The wheel first, so that the environment holds what a release would, and nothing of the source tree.
# pip compiles what it installs; the .pyc files go into the image and save their time at every start.
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && python -m venv --without-pip /opt/ciplug \
    && python -m pip --python /opt/ciplug/bin/python install --no-cache-dir --compile /wheels/*.whl

FROM python:3.12.12-slim-bookworm

LABEL org.opencontainers.image.title="ciplug" \
      org.opencontainers.image.description="Short-lived, per-job secrets from Vault or OpenBao for every CI pipeline" \
      org.opencontainers.image.licenses="Apache-2.0"

# The versions are those of the base's Debian release on the day of the build: an old git or an old set of
# certificates, kept by a pin, would be the greater risk.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates git \
    && rm -rf /var/lib/apt/lists/*

COPY --from=build /opt/ciplug /opt/ciplug

ENV PATH="/opt/ciplug/bin:${PATH}"

# A number, so that Kubernetes can tell that it is not root.
USER 10001:10001
WORKDIR /work

ENTRYPOINT ["ciplug"]
CMD ["--help"]
