# Not before an upgrade.
if [ "$1" = 0 ] && [ -d /run/systemd/system ]; then
    systemctl --no-reload disable --now aws-transfer-exporter.service aws-transfer-exporter.socket || :
fi
