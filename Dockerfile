# One image for web, worker, scheduler and the migration job; the command says which one it is.
FROM python:3.11-slim AS packages
COPY requirements/base.txt requirements/build.txt /requirements/
RUN python -m venv /venv && python -m venv /build \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements/base.txt \
    && /build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements/build.txt
# The client: its command line, and what `manage.py simulate` drives the service with.
COPY sdk /sdk
RUN cd /sdk && /build/bin/python -m hatchling build -t wheel -d /wheels \
    && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps /wheels/*.whl

FROM python:3.11-slim
RUN groupadd --gid 10001 countersign \
    && useradd --uid 10001 --gid countersign --no-create-home --shell /usr/sbin/nologin countersign \
    && install -d -o countersign -g countersign -m 0700 /data
COPY --from=packages /venv /venv
WORKDIR /app
COPY manage.py ./
COPY scripts/healthy scripts/
COPY audit audit/
COPY approvals approvals/
COPY reviews reviews/
COPY hitl_project hitl_project/
COPY templates templates/
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=hitl_project.settings \
    HITL_DATA_DIR=/data \
    STATIC_ROOT=/app/static
# Hashed names and compressed copies are made once, here; secrets made for this step stay behind.
RUN HITL_DATA_DIR=/tmp/build python manage.py collectstatic --noinput --verbosity 0 \
    && rm -rf /tmp/build \
    && python -m compileall -q audit approvals reviews hitl_project
USER 10001:10001
VOLUME /data
EXPOSE 8000
CMD ["uvicorn", "hitl_project.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--no-access-log", "--no-server-header", "--ws-max-size", "65536"]
