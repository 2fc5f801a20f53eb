if [ -d /run/systemd/system ]; then systemctl daemon-reload || :; fi
# Only on the first installation.
if [ "$1" = 1 ]; then
    echo "aws-transfer-exporter is not started: list the transfers to monitor in"
    echo "/etc/aws-transfer-exporter/aws-transfer-exporter.yml, then run"
    echo "  systemctl enable --now aws-transfer-exporter"
fi
