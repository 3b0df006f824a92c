# SPDX-License-Identifier: Apache-2.0
#
# The GPU machine: learner and twin, with ROS 2 Jazzy as Python wheels and torch's CUDA build.
# Never built or run where it was written: there was no Docker. Tell us what you had to change.
#
#   docker build -f docker/gpu.Dockerfile -t rldg-gpu .
#   docker run -it --rm --gpus all --network host --ipc host -v "$PWD/runs:/rldg/runs" rldg-gpu \
#     ./rldg launch train_rl task:=connector/vga
#
# The host needs the NVIDIA driver and the NVIDIA container toolkit; CUDA's libraries come with torch.
FROM ubuntu:24.04

# Off-screen rendering on the GPU goes through EGL, which the container toolkit hands in as "graphics".
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility

RUN apt-get update && apt-get install -y --no-install-recommends \
    ca-certificates g++ python3.12-dev python3.12-venv \
    libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /rldg
COPY . .
RUN ./rldg setup
CMD ["bash"]
