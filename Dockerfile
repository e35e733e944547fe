# An image for each service, named by its target: docker build --target binner .
# Packages come before the code, and those that many services need before those of one.

FROM ghcr.io/astral-sh/uv:0.13.8 AS uv

FROM python:3.13-slim-trixie AS python
ENV HOME=/tmp \
    PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONPATH=/spikemill \
    PYTHONUNBUFFERED=1 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt \
    VIRTUAL_ENV=/opt/venv
# For the instructions below, in no image: an index of packages may be one's own.
ARG UV_CACHE_DIR=/var/cache/uv \
    UV_COMPILE_BYTECODE=1 \
    UV_DEFAULT_INDEX \
    UV_LINK_MODE=copy \
    UV_PYTHON_DOWNLOADS=never \
    UV_REQUIRE_HASHES=1
WORKDIR /spikemill
# Where a proxy reads along, its certificate is believed as those of Debian are.
RUN --mount=type=secret,id=certificate,target=/usr/local/share/ca-certificates/proxy.crt \
    --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    update-ca-certificates && uv venv /opt/venv

# The code, compiled: what all services share, and what each has for itself.
FROM python AS code
WORKDIR /code
RUN --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=target=/checkout \
    uv venv /build \
    && uv pip install --python /build/bin/python --no-deps --requirement /checkout/requirements/build.txt \
    && uv build --wheel --python /build/bin/python --no-build-isolation --out-dir /wheel /checkout \
    && UV_REQUIRE_HASHES=0 uv pip install --no-deps --target /code /wheel/*.whl \
    && mkdir deploy && cp -r /checkout/standins . && cp -r /checkout/deploy/bootstrap deploy/ \
    && python -m compileall -q standins deploy \
    && mv spikemill-*.dist-info spikemill.dist-info \
    && mkdir -p shared/spikemill/services \
    && mv spikemill.dist-info shared/ \
    && mv spikemill/__init__.py spikemill/__pycache__ spikemill/py.typed shared/spikemill/ \
    && mv spikemill/services/__init__.py spikemill/services/__pycache__ spikemill/services/common \
        shared/spikemill/services/

# What the workers and the sweeper have in common.
FROM python AS packages
# A user of a container may have no name there, and Celery takes such a one for root. Nothing here multiplies
# matrices: a thread for each processor would only take memory.
ENV OPENBLAS_NUM_THREADS=1 \
    PYTHONWARNINGS=ignore:::celery.platforms,ignore:::celery.apps.worker
RUN --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=source=requirements/common.txt,target=/requirements.txt \
    uv pip install --no-deps --requirement /requirements.txt && uv pip check && rm /opt/venv/.lock

FROM packages AS sweeper
LABEL org.opencontainers.image.title="spikemill sweeper" \
      org.opencontainers.image.description="Looks after the ledger of a build, and sends its jobs to the workers."
RUN --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=source=requirements/sweeper.txt,target=/requirements.txt \
    uv pip install --no-deps --requirement /requirements.txt && uv pip check && rm /opt/venv/.lock
COPY --from=code /code/shared ./
COPY --from=code /code/spikemill/services/sweeper spikemill/services/sweeper
USER 1000:1000
CMD ["python", "-m", "spikemill.services.sweeper"]

FROM packages AS downloader
LABEL org.opencontainers.image.title="spikemill downloader" \
      org.opencontainers.image.description="Lists archives of neural recordings, and makes verified copies."
RUN --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=source=requirements/downloader.txt,target=/requirements.txt \
    uv pip install --no-deps --requirement /requirements.txt && uv pip check && rm /opt/venv/.lock
COPY --from=code /code/shared ./
COPY --from=code /code/spikemill/services/downloader spikemill/services/downloader
USER 1000:1000
CMD ["python", "-m", "spikemill.services.common.worker", "downloader"]

FROM packages AS binner
LABEL org.opencontainers.image.title="spikemill binner" \
      org.opencontainers.image.description="Turns the spike times of a recording into rows of counts."
RUN --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=source=requirements/binner.txt,target=/requirements.txt \
    uv pip install --no-deps --requirement /requirements.txt && uv pip check && rm /opt/venv/.lock
COPY --from=code /code/shared ./
COPY --from=code /code/spikemill/services/binner spikemill/services/binner
USER 1000:1000
CMD ["python", "-m", "spikemill.services.common.worker", "binner"]

FROM packages AS merger
LABEL org.opencontainers.image.title="spikemill merger" \
      org.opencontainers.image.description="Shuffles the rows of all sources into one dataset, and checks it."
RUN --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=source=requirements/merger.txt,target=/requirements.txt \
    uv pip install --no-deps --requirement /requirements.txt && uv pip check && rm /opt/venv/.lock
COPY --from=code /code/shared ./
COPY --from=code /code/spikemill/services/merger spikemill/services/merger
USER 1000:1000
CMD ["python", "-m", "spikemill.services.common.worker", "merger"]

FROM packages AS tools
LABEL org.opencontainers.image.title="spikemill tools" \
      org.opencontainers.image.description="The spikemill command, for a deployment that runs."
RUN --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=source=requirements/tools.txt,target=/requirements.txt \
    uv pip install --no-deps --requirement /requirements.txt && uv pip check && rm /opt/venv/.lock
COPY --from=code /code/shared ./
COPY --from=code /code/spikemill spikemill
COPY --from=code /code/bin/spikemill /usr/local/bin/
USER 1000:1000
CMD ["spikemill", "--help"]

FROM python AS flower
LABEL org.opencontainers.image.title="spikemill flower" \
      org.opencontainers.image.description="Shows the workers, queues and tasks of a build in a browser."
RUN --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=source=requirements/flower.txt,target=/requirements.txt \
    uv pip install --no-deps --requirement /requirements.txt && uv pip check && rm /opt/venv/.lock
COPY --from=code /code/shared ./
COPY --from=code /code/spikemill/services/flower spikemill/services/flower
USER 1000:1000
CMD ["python", "-m", "spikemill.services.flower"]

FROM python AS archive
LABEL org.opencontainers.image.title="spikemill archive" \
      org.opencontainers.image.description="A made-up archive of neural recordings, for the demo."
RUN --mount=from=uv,source=/uv,target=/usr/local/bin/uv \
    --mount=type=cache,target=/var/cache/uv \
    --mount=source=requirements/archive.txt,target=/requirements.txt \
    uv pip install --no-deps --requirement /requirements.txt && uv pip check && rm /opt/venv/.lock
COPY --from=code /code/shared ./
COPY --from=code /code/spikemill/services/cli/__init__.py /code/spikemill/services/cli/made_up.py spikemill/services/cli/
COPY --from=code /code/spikemill/services/cli/__pycache__/__init__.* \
    /code/spikemill/services/cli/__pycache__/made_up.* spikemill/services/cli/__pycache__/
COPY --from=code /code/standins standins
USER 1000:1000
CMD ["python", "-m", "standins.archive", "--folder", "/archive", "--host", "0.0.0.0", "--port", "8000"]

FROM python AS secrets
LABEL org.opencontainers.image.title="spikemill secrets" \
      org.opencontainers.image.description="Draws the passwords of a deployment, and shares them out, once."
COPY --from=code /code/deploy deploy
CMD ["python", "-m", "deploy.bootstrap"]
