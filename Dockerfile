# One small image for every stage: `trueopen track`, `classify`, `load`, `report`, `migrate`. The embedded engine is not in it.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --release --locked -p trueopen

FROM debian:bookworm-slim
# librdkafka links the system's OpenSSL; certificates are verified against the system's list.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 && rm -rf /var/lib/apt/lists/*
COPY --from=build /build/target/release/trueopen /usr/local/bin/trueopen
# Named volumes take their owner from these.
RUN mkdir /data /keys && chown 10001:10001 /data /keys && chmod 700 /data /keys
USER 10001:10001
ENTRYPOINT ["trueopen"]
