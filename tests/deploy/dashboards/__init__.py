"""Tests of dashboards/. Other tests may use `live`, with tests/deploy on the import path."""
