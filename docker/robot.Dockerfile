# SPDX-License-Identifier: Apache-2.0
#
# The robot PC: ROS 2 Jazzy, franka_ros2 with crisp_controllers, the D405's and the SpaceMouse's drivers, RViz, and this workspace.
# Never built or run where it was written: there was no Docker and no robot. Tell us what you had to change.
# docker/compose.yaml starts it; docs/how-to/two-machines.md.
#
# Real time: the host, not the image, brings a PREEMPT_RT kernel (`uname -v` says so), a cable straight to the control
# box, and CPU frequency scaling set to performance.
FROM ros:jazzy-ros-base

SHELL ["/bin/bash", "-o", "pipefail", "-c"]

# Packages of ROS are those of the day: its archive keeps no older ones. What moves the arm is pinned in franka.repos.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends \
    g++ python3-dev python3-pip python3-venv python3-colcon-common-extensions python3-vcstool python3-rosdep \
    libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0 libhidapi-hidraw0 \
    ros-jazzy-launch-ros ros-jazzy-rmw-fastrtps-cpp ros-jazzy-robot-state-publisher \
    ros-jazzy-ros2-control ros-jazzy-ros2-controllers \
    ros-jazzy-realsense2-camera ros-jazzy-spacenav ros-jazzy-rviz2 ros-jazzy-foxglove-bridge ros-jazzy-sros2 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /franka
COPY docker/franka.repos .
ARG WANTED="franka_bringup franka_gripper crisp_controllers"
# hadolint ignore=SC2046,SC2086
RUN mkdir src && vcs import --recursive --input franka.repos src \
    && . /opt/ros/jazzy/setup.bash && apt-get update && rosdep update \
    && rosdep install --from-paths $(colcon list --paths-only --packages-up-to $WANTED) \
       --ignore-src -y --rosdistro jazzy --skip-keys olv_module_descriptions \
    && colcon build --packages-up-to $WANTED --cmake-args -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF \
    && rm -rf build log /var/lib/apt/lists/*

WORKDIR /rldg
COPY . .
# torch's CPU build: the learner sits on the GPU machine.
# Give the CPU index that PyTorch's installation page names as --build-arg TORCH_INDEX=...: without it gigabytes of CUDA follow.
ARG TORCH_INDEX=
RUN . /opt/ros/jazzy/setup.bash && . /franka/install/local_setup.bash && PIP_EXTRA_INDEX_URL=$TORCH_INDEX ./rldg setup

ENTRYPOINT ["/bin/bash", "-c", ". /opt/ros/jazzy/setup.bash && . /franka/install/local_setup.bash && exec \"$@\"", "--"]
CMD ["bash"]
