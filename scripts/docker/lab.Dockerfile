# A storage node of the lab: user-mode Linux with systemd, sshd, glusterd and a raw disk, in a container. Built from the
# root of the repository: docker build -t hecate-lab-node -f scripts/docker/lab.Dockerfile .
ARG BASE=debian:bookworm-slim

# What is inside of the node.
FROM ${BASE} AS root
COPY scripts/lab.d/image.sh /tmp/image.sh
SHELL ["/bin/bash", "-c"]
RUN . /tmp/image.sh && apt-get -q update >/dev/null && \
    DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends ${image_packages//,/ } >/dev/null && \
    rm -rf /tmp/image.sh /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

FROM ${BASE}
RUN apt-get -q update >/dev/null && \
    apt-get -q -y install --no-install-recommends user-mode-linux e2fsprogs iproute2 kmod >/dev/null && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=root / /usr/lib/hecate/root
COPY scripts/lab.d/image.sh scripts/docker/lab-image /usr/lib/hecate/
RUN bash /usr/lib/hecate/lab-image
COPY scripts/lab.d/xstate.c /tmp/xstate.c
RUN apt-get -q update >/dev/null && apt-get -q -y install --no-install-recommends gcc libc6-dev >/dev/null && \
    gcc -O2 -shared -fPIC -o /usr/lib/hecate/xstate.so /tmp/xstate.c && rm /tmp/xstate.c && \
    apt-get -q -y purge gcc libc6-dev >/dev/null && apt-get -q -y autoremove --purge >/dev/null && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY scripts/docker/lab-node /usr/lib/hecate/
ENTRYPOINT ["/usr/lib/hecate/lab-node"]

