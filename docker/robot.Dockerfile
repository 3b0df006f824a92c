# SPDX-License-Identifier: Apache-2.0
#
# The robot PC: ROS 2 Jazzy and this workspace, next to the arm.
# Never built or run where it was written: there was no Docker and no robot. Tell us what you had to change.
#
#   docker build -f docker/robot.Dockerfile -t rldg-robot .
#   docker run -it --rm --network host --ipc host --cap-add SYS_NICE --ulimit rtprio=99 --ulimit memlock=-1 \
#     -v "$PWD/runs:/rldg/runs" rldg-robot ./rldg launch train_rl task:=connector/vga
#
# Real time: the host, not the image, brings a PREEMPT_RT kernel (`uname -v` says so), a cable straight to the control
# box, and CPU frequency scaling set to performance. --cap-add SYS_NICE and the two limits let a driver take a real-time
# priority and lock its memory. --network host and --ipc host: DDS discovery and its shared memory between containers.
FROM ros:jazzy

RUN apt-get update && apt-get install -y --no-install-recommends \
    g++ python3-dev python3-pip python3-venv python3-colcon-common-extensions \
    libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0 \
    ros-jazzy-launch-ros ros-jazzy-rmw-fastrtps-cpp libhidapi-hidraw0 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /rldg
COPY . .
# torch's CPU build: the learner sits on the GPU machine.
# Give the CPU index that PyTorch's installation page names as --build-arg TORCH_INDEX=...: without it gigabytes of CUDA follow.
ARG TORCH_INDEX=
RUN . /opt/ros/jazzy/setup.sh && PIP_EXTRA_INDEX_URL=$TORCH_INDEX ./rldg setup
# ros:jazzy's entry point sources ROS, then runs the command.
CMD ["bash"]
