use proptest::prelude::*;

use super::*;

/// Client, its `Accept` header, and the Content-Type of the response.
const CLIENTS: [(&str, &str, &str); 20] = [
    // scrape/scrape.go of v2.42.0.
    (
        "Prometheus 2.42",
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
         text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ),
    (
        "Prometheus 2.42 with native histograms",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,\
         application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,\
         text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
    ),
    // scrape/scrape.go of 2.30 and before, see prometheus/prometheus#9430.
    (
        "Prometheus 2.30",
        "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text; version=0.0.1; charset=utf-8",
    ),
    // `acceptHeader` in scrape/scrape.go and `DefaultScrapeProtocols` in config/config.go of
    // v3.16.0.
    (
        "Prometheus 3",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,\
         application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,\
         text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    ),
    (
        "Prometheus 3 with legacy names",
        "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.7,\
         application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=underscores;q=0.5,\
         text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
    ),
    // `DefaultProtoFirstScrapeProtocols`.
    (
        "Prometheus 3 with native histograms",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
         application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
    ),
    (
        "Prometheus 3, scrape_protocols: [PrometheusText1.0.0]",
        "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.7,*/*;q=0.6",
        "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    ),
    (
        "Prometheus 3, scrape_protocols: [PrometheusText0.0.4]",
        "text/plain;version=0.0.4;q=0.7,*/*;q=0.6",
        "text/plain; version=0.0.4; charset=utf-8",
    ),
    (
        "Prometheus 3, scrape_protocols: [OpenMetricsText2.0.0, OpenMetricsText1.0.0]",
        "application/openmetrics-text;version=2.0.0;escaping=allow-utf-8;q=0.7,\
         application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,*/*;q=0.5",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    ),
    // The scrape package of Prometheus 3.12, and `Validate` in
    // internal/component/prometheus/scrape/scrape.go of v1.18.1.
    (
        "Grafana Alloy 1.18",
        "application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=underscores;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
    ),
    // The scrape package of Prometheus 3.15.
    (
        "OpenTelemetry Collector 0.165",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,\
         application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,\
         text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
    ),
    // lib/promscrape/client.go of VictoriaMetrics v1.151.0.
    (
        "vmagent",
        "text/plain;version=0.0.4;q=1,*/*;q=0.1",
        "text/plain; version=0.0.4; charset=utf-8",
    ),
    // `acceptHeader` in plugins/inputs/prometheus/prometheus.go of Telegraf.
    (
        "Telegraf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
        "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
    ),
    // See influxdata/telegraf#6523.
    (
        "old Telegraf",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text;q=0.7,\
         text/plain;version=0.0.4;q=0.3,application/json;schema=\"prometheus/telemetry\";version=0.0.2;q=0.2,*/*;q=0.1",
        "text/plain; version=0.0.4; charset=utf-8",
    ),
    ("curl", "*/*", "text/plain; version=0.0.4; charset=utf-8"),
    (
        "Firefox",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "text/plain; version=0.0.4; charset=utf-8",
    ),
    (
        "Chromium",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
         application/signed-exchange;v=b3;q=0.7",
        "text/plain; version=0.0.4; charset=utf-8",
    ),
    ("empty", "", "text/plain; version=0.0.4; charset=utf-8"),
    (
        "something else",
        "application/json, image/*;q=0.5",
        "text/plain; version=0.0.4; charset=utf-8",
    ),
    (
        "nonsense",
        ";;,,=\";q=,text/,/;q=9, \u{fc}",
        "text/plain; version=0.0.4; charset=utf-8",
    ),
];

#[test]
fn every_client_gets_the_format_it_prefers() {
    for (client, accept, content_type) in CLIENTS {
        assert_eq!(
            format(Some(accept), Offer::default()).to_string(),
            content_type,
            "{client}"
        );
    }
    assert_eq!(format(None, Offer::default()), Format::TEXT);
}

#[test]
fn openmetrics_2_is_sent_to_clients_that_prefer_it_where_it_is_offered() {
    let offer = Offer { openmetrics2: true };
    for (client, accept, without) in CLIENTS {
        let expected = if client.contains("OpenMetricsText2.0.0") {
            "application/openmetrics-text; version=2.0.0; charset=utf-8; escaping=allow-utf-8"
        } else {
            without
        };
        assert_eq!(
            format(Some(accept), offer).to_string(),
            expected,
            "{client}"
        );
    }
}

#[test]
fn parameters_may_be_quoted_in_capitals_and_in_any_order() {
    for (accept, content_type) in [
        (
            "Application/OpenMetrics-Text ; Q=0.9 ; Version=\"1.0.0\", text/plain;q=0.8",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        ),
        (
            "text/plain;x=\"a,b;c\";version=1.0.0",
            "text/plain; version=1.0.0; charset=utf-8",
        ),
        (
            "application/vnd.google.protobuf;encoding=\"delimited\";escaping=values;proto=io.prometheus.client.MetricFamily",
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=values",
        ),
        (
            "text/plain;version=1.0.0;escaping=unheard-of",
            "text/plain; version=1.0.0; charset=utf-8",
        ),
        (
            "application/openmetrics-text",
            "application/openmetrics-text; version=0.0.1; charset=utf-8",
        ),
        (
            "application/openmetrics-text;version=1.0.0;q=0, */*",
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (
            "application/openmetrics-text;version=1.0.0;q=1.5",
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (
            "application/vnd.google.protobuf",
            "text/plain; version=0.0.4; charset=utf-8",
        ),
        (
            "text/plain;version=0.0.4;escaping=dots",
            "text/plain; version=0.0.4; charset=utf-8",
        ),
    ] {
        assert_eq!(
            format(Some(accept), Offer::default()).to_string(),
            content_type,
            "{accept}"
        );
    }
}

#[test]
fn gzip_is_chosen_if_the_client_prefers_it() {
    for header in [
        // Prometheus, vmagent, Grafana Alloy and the OpenTelemetry Collector.
        "gzip",
        "GZIP",
        "x-gzip",
        "gzip, deflate, br",
        "deflate, gzip;q=1.0, *;q=0.5",
        "gzip;q=0.001",
        "identity;q=0.5, gzip;q=0.5",
        "*",
        "br;q=1.0, gzip ; q = 0.8, *;q=0.1",
        "identity;q=0, gzip;q=0.1",
        "zstd;q=0.5, gzip;q=0.8",
        "zstd;q=0, gzip",
        // Browsers, and clients that stop after the first zstd frame.
        "gzip, deflate, br, zstd",
    ] {
        assert_eq!(encoding(Some(header)), Encoding::Gzip, "{header}");
    }
}

#[test]
fn zstd_is_chosen_if_named_and_nothing_is_preferred() {
    for header in [
        // `acceptEncodingHeader` in scrape/scrape.go of Prometheus v3.16.0.
        "zstd,gzip",
        "zstd",
        "Zstd;q=0.9, gzip;q=0.8",
        "zstd;q=0.5, identity;q=0.5",
    ] {
        assert_eq!(encoding(Some(header)), Encoding::Zstd, "{header}");
    }
}

#[test]
fn identity_is_chosen_otherwise() {
    for header in [
        "",
        "identity",
        "deflate, br",
        "gzip;q=0",
        "gzip;q=0.000",
        "gzip;q=0, *",
        "*;q=0",
        "identity, gzip;q=0.9",
        "identity, zstd;q=0.9",
        "zstd;q=0",
        "gzip;q=2",
        "gzip;q=0.1234",
        "gzip;q=x",
        "gzip;level=9",
        "notgzip",
        "gzipped",
    ] {
        assert_eq!(encoding(Some(header)), Encoding::Identity, "{header}");
    }
    assert_eq!(encoding(None), Encoding::Identity);
}

proptest! {
    #[test]
    fn any_header_is_accepted(header in "\\PC*") {
        encoding(Some(&header));
        format(Some(&header), Offer { openmetrics2: true });
    }
}
