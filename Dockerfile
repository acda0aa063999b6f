# The service in a container, installed by the script of `make serve`; the target `full` also has PyTorch and what else the service can make use of.
#
#   docker build --tag unturned .                            or: docker build --target full --tag unturned .
#   docker run --rm --init --publish 127.0.0.1:8000:8000 --read-only --tmpfs /tmp:rw,noexec,nosuid,size=16m --cap-drop=ALL \
#       --security-opt=no-new-privileges --pids-limit=128 --memory=2g --memory-swap=2g --cpus=2 --ulimit nofile=4096 --ulimit core=0 unturned
#
# --init: as process 1 of its container, Python would not end on a SIGTERM that comes in its first second, before the service handles it.
#
# The digest, of the image index for all architectures (Python 3.11.16, September 2026), decides; the tag only tells people what it is.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${PYTHON_IMAGE} AS installed
WORKDIR /srv/unturned
# Only what the installation reads, so that a change of code does not install anew. A Space's files come without the right to be executed.
COPY .ci/install .ci/install
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY app/__init__.py app/
COPY model/__init__.py model/
RUN PIP_NO_CACHE_DIR=1 bash .ci/install serve

FROM installed AS installed-full
RUN PIP_NO_CACHE_DIR=1 bash .ci/install full

FROM ${PYTHON_IMAGE} AS service
WORKDIR /srv/unturned
COPY pyproject.toml README.md LICENSE ./
COPY app app
COPY model model
COPY static static
COPY templates templates
COPY checkpoints checkpoints
# Nobody may write here later, and each start would compile all of it again.
RUN python -m compileall -q app model

# Few malloc arenas keep memory flat; one OpenMP thread, because the service brings its own pool; matplotlib wants a folder it can write.
ENV PATH=/srv/unturned/.venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    OMP_NUM_THREADS=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    UNTURNED_HOST=0.0.0.0

# Everything above belongs to root and is only read.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import http.client, os; probe = http.client.HTTPConnection(os.environ['UNTURNED_HOST'], int(os.environ.get('UNTURNED_PORT', '8000')), timeout=2); probe.request('GET', '/health/live'); raise SystemExit(probe.getresponse().status != 200)"]
CMD ["unturned", "serve"]

FROM service AS full
COPY --from=installed-full /srv/unturned/.venv .venv

# The last one is what is built where no target is named.
FROM service AS slim
COPY --from=installed /srv/unturned/.venv .venv
