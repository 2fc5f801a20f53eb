# The user owns only the StateDirectory of the unit, which systemd creates. Root owns the configuration.
getent group aws-transfer-exporter > /dev/null || groupadd --system aws-transfer-exporter
getent passwd aws-transfer-exporter > /dev/null ||
    useradd --system --gid aws-transfer-exporter --home-dir /nonexistent --no-create-home --shell /sbin/nologin \
        --comment "Prometheus exporter for AWS Transfer Family" aws-transfer-exporter
