FROM debian:bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        g++ cmake ninja-build pkg-config libboost1.81-dev libpq-dev rapidjson-dev libtomlplusplus-dev \
        libssl-dev libspdlog-dev libcli11-dev prometheus-cpp-dev libmimalloc-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY CMakeLists.txt CMakePresets.json ./
COPY sql sql
COPY src src
# No systemd in a container, so no library for it.
RUN cmake --preset release -D PGHERALD_TESTS=OFF -D PGHERALD_SYSTEMD=OFF \
    && cmake --build --preset release --target pgherald \
    && strip build/release/pgherald

FROM debian:bookworm-slim
# ca-certificates: for sslrootcert=/etc/ssl/certs/ca-certificates.crt in the connection string.
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates libmimalloc2.0 libpq5 libprometheus-cpp-core1.0 libspdlog1.10 libssl3 libtomlplusplus3 \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    && useradd --system --uid 10001 --user-group --no-log-init pgherald
COPY --from=build /src/build/release/pgherald /usr/local/bin/pgherald
COPY deploy/healthcheck.sh /usr/local/bin/pgherald-healthcheck
USER 10001:10001
# Others reach this address, so it starts only when it is said who may do what (PGHERALD_AUTH_MODE=token and a key), or
# that everybody may do everything (PGHERALD_AUTH_INSECURE=true). Neither is for the image to say.
ENV PGHERALD_SERVER_LISTEN=0.0.0.0:8080
EXPOSE 8080
# Asks whether the process serves, not whether Postgres is there (/readyz): restarting pgherald brings no
# Postgres back, and costs every session.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["/usr/local/bin/pgherald-healthcheck"]
ENTRYPOINT ["/usr/local/bin/pgherald"]
CMD ["serve"]
