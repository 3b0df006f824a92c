# SPDX-License-Identifier: Apache-2.0
#
# The GPU machine: learner and twin, with ROS 2 Jazzy, for its wheels speak no DDS Security, and torch's CUDA build.
# Never built or run where it was written: there was no Docker. Tell us what you had to change.
# docker/compose.yaml starts it; docs/how-to/two-machines.md.
#
# The host needs the NVIDIA driver and the NVIDIA container toolkit; CUDA's libraries come with torch.
FROM ros:jazzy-ros-base

# Off-screen rendering on the GPU goes through EGL, which the container toolkit hands in as "graphics".
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# Packages of ROS are those of the day: its archive keeps no older ones.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends \
    g++ python3-dev python3-pip python3-venv python3-colcon-common-extensions \
    libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0 \
    ros-jazzy-launch-ros ros-jazzy-rmw-fastrtps-cpp ros-jazzy-sros2 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /rldg
COPY . .
RUN . /opt/ros/jazzy/setup.bash && ./rldg setup

# ros:jazzy's entry point sources ROS, then runs the command.
CMD ["bash"]
