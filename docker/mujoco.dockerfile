# OIGE on MuJoCo, its embedded engine. Build it from the root of the repository, or with docker/build_mujoco.sh:
#
#     docker build --file docker/mujoco.dockerfile --target cpu --tag oige:cpu .
#     docker build --file docker/mujoco.dockerfile --target cuda --tag oige:cuda .
#
# The image for GPUs needs no CUDA of its base: the wheels of torch and Warp bring what they use, and the driver comes from
# the NVIDIA Container Toolkit.
ARG BASE=docker.io/library/python:3.12-slim-bookworm

FROM ${BASE} AS wheels
ARG UV=0.13.9
COPY . /oige
WORKDIR /oige
# Dependencies in the versions of uv.lock. torch is listed apart, because its wheels and their
# dependencies differ between CPU and CUDA.
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir "uv==${UV}" \
    && /uv/bin/uv build --quiet --all-packages --wheel --out-dir /wheels \
    && /uv/bin/uv export --quiet --locked --all-packages --no-default-groups --no-emit-workspace --no-hashes \
        --output-file /wheels/all.txt \
    && sed -E '/^(torch==|triton==|nvidia-|cuda-)/d' /wheels/all.txt > /wheels/requirements.txt \
    && sed -nE 's/^(torch==[^ ]+).*/\1/p' /wheels/all.txt > /wheels/torch.txt

FROM ${BASE} AS base
RUN python3 -m venv /opt/oige && mkdir --mode=777 /workspace /opt/oige/kernels
ENV PATH=/opt/oige/bin:$PATH HOME=/workspace WARP_CACHE_PATH=/opt/oige/kernels
WORKDIR /workspace

FROM base AS cpu
ARG TORCH="--torch-backend cpu"
# Bytecode is compiled now, so that programs start quickly.
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels --mount=type=bind,from=wheels,source=/uv,target=/uv \
    /uv/bin/uv pip install --python /opt/oige --no-cache --compile-bytecode ${TORCH} \
        --requirement /wheels/torch.txt --requirement /wheels/requirements.txt /wheels/*.whl
CMD ["oige-tasks"]

FROM base AS cuda
ARG TORCH="--torch-backend cu130"
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels --mount=type=bind,from=wheels,source=/uv,target=/uv \
    /uv/bin/uv pip install --python /opt/oige --no-cache --compile-bytecode ${TORCH} \
        --requirement /wheels/torch.txt --requirement /wheels/requirements.txt /wheels/*.whl
CMD ["oige-tasks"]

# With kernels that oige-warmup compiled on a machine with the same kind of GPU. The folder is a build context of its own:
#     docker build --file docker/mujoco.dockerfile --target cuda-warm --build-context kernels=FOLDER --tag oige:cuda .
FROM cuda AS cuda-warm
# hadolint ignore=DL3022
COPY --chmod=777 --from=kernels . /opt/oige/kernels
