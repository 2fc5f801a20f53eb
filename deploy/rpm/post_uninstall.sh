if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || :
    # After an upgrade, if it runs.
    if [ "$1" -ge 1 ]; then systemctl try-restart aws-transfer-exporter.service || :; fi
fi
