# Images of Hecate, from Debian's packages; they come from the sources that the base image names. docker-compose.yml uses
# all of them.
#
#   docker build -t hecate --target member .          a member: hecated and the client hecate
#   docker build -t hecate-setup --target setup .     makes certificates and keys for a cluster (scripts/docker/setup)
#   docker build -t hecate-lab-client --target lab-client .   makes a volume on the lab's storage nodes and mounts it
#
# The storage nodes of the lab: scripts/docker/lab.Dockerfile.
ARG BASE=debian:bookworm-slim

# ---- building ----

FROM ${BASE} AS build
WORKDIR /src
COPY scripts/deps scripts/deps
RUN scripts/deps build
COPY . .
RUN make -j"$(nproc)" all && make install DESTDIR=/out prefix=/usr && \
    strip /out/usr/sbin/hecated /out/usr/bin/hecate && rm -rf /out/usr/share /out/usr/lib

# ---- what all of ours run on ----

# The file capabilities are permitted, not effective: the daemon starts with none in force, its keeper takes the two, and a
# container without NET_ADMIN runs members that have no virtual address.
FROM ${BASE} AS runtime
COPY scripts/deps /tmp/deps
RUN /tmp/deps run && rm -rf /tmp/deps /var/lib/apt/lists/* /var/cache/apt/* /var/log/* && \
    groupadd --system --gid 990 hecate && \
    useradd --system --uid 990 --gid hecate --home-dir /var/lib/hecate --shell /usr/sbin/nologin hecate && \
    install -d -o hecate -g hecate -m 700 /var/lib/hecate && install -d /etc/hecate
COPY --from=build /out/usr /usr
RUN apt-get -q update >/dev/null && apt-get -q -y install --no-install-recommends libcap2-bin >/dev/null && \
    setcap cap_net_admin,cap_net_raw+p /usr/sbin/hecated && \
    apt-get -q -y purge libcap2-bin >/dev/null && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY scripts/docker/ /usr/lib/hecate/

# ---- the member ----

FROM runtime AS member
USER hecate
VOLUME /var/lib/hecate
EXPOSE 8080 8090
HEALTHCHECK --interval=3s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/lib/hecate/healthy"]
ENTRYPOINT ["/usr/lib/hecate/member"]

# ---- certificates and keys ----

FROM runtime AS setup
RUN apt-get -q update >/dev/null && apt-get -q -y install --no-install-recommends openssl openssh-client >/dev/null && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY scripts/pki /usr/lib/hecate/pki
ENTRYPOINT ["/usr/lib/hecate/setup"]

# ---- the lab: a client that mounts ----

FROM runtime AS lab-client
RUN apt-get -q update >/dev/null && apt-get -q -y install --no-install-recommends glusterfs-client >/dev/null && \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
ENTRYPOINT ["/usr/lib/hecate/lab-client"]

# ---- without --target ----

FROM member
