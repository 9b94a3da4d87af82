# The image for workers with a GPU (on Dataflow, or as a sidecar on Flink). PyPI's torch contains CUDA 13.0. The host provides
# the driver (580 or newer). Dataflow mounts it at /usr/local/nvidia; NVIDIA's container toolkit uses the NVIDIA_ variables.
#
#   docker build -f deploy/docker/cuda.Dockerfile -t REGISTRY/postner:cuda .
# gcc is for `--compile`.
#
# The entry point is Beam's, since Dataflow and Flink start workers with it. The command: docker run --entrypoint python ...
# (docs/deploy.md, "Images").
ARG PYTHON_IMAGE=python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d
ARG BEAM_IMAGE=apache/beam_python3.11_sdk:2.77.0
ARG LAUNCHER_IMAGE=gcr.io/dataflow-templates-base/python311-template-launcher-base:20240812-rc01
FROM ${BEAM_IMAGE} AS beam
FROM ${LAUNCHER_IMAGE} AS launcher
FROM ${PYTHON_IMAGE}

ARG TORCH_INDEX=https://pypi.org/simple
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
ENV YOLO_CONFIG_DIR=/tmp/ultralytics YOLO_OFFLINE=1 YOLO_AUTOINSTALL=0
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility LD_LIBRARY_PATH=/usr/local/nvidia/lib64
RUN apt-get update && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 gcc libc6-dev && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/postner
COPY requirements.txt ./
COPY deploy/requirements.txt deploy/
RUN grep -E '^torch(vision)?==' requirements.txt > torch.txt && python -m pip install --index-url "${TORCH_INDEX}" -r torch.txt
RUN python -m pip install -r requirements.txt -r deploy/requirements.txt
COPY pyproject.toml README.md LICENSE NOTICE run_pipeline.py ./
COPY archive archive
COPY models models
COPY pipeline pipeline
COPY transforms transforms
RUN python -m pip install --no-deps . && python -m pip check

COPY --from=beam /opt/apache/beam /opt/apache/beam
COPY --from=launcher /opt/google/dataflow/python_template_launcher /opt/google/dataflow/python_template_launcher
ENV FLEX_TEMPLATE_PYTHON_PY_FILE=/opt/postner/run_pipeline.py
USER 1000:1000
ENTRYPOINT ["/opt/apache/beam/boot"]
