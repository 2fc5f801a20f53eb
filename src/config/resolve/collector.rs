//! `collector`, `metrics`, `limits` and `probe`.

use std::time::Duration;

use super::{Resolver, out_of_range};
use crate::config::file::{CollectorSection, LimitsSection, MetricsSection, ProbeSection};
use crate::config::plan::{CollectorPlan, LimitsPlan, MetricsPlan, ProbePlan};
use crate::config::yaml::Field;
use model::PerTransfer;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// Default of `probe.connection.min_interval`.
const CONNECTION_INTERVAL: Duration = Duration::from_mins(15);

const MIN_TIMEOUT: Duration = Duration::from_millis(100);

impl Resolver {
    pub(super) fn collector(&mut self, section: &Field<CollectorSection>) -> CollectorPlan {
        let absent = CollectorSection::default();
        let section = section.value().map_or(&absent, |section| &section.value);
        let default = CollectorPlan::default();
        let min_refresh_interval = self.duration(
            &section.min_refresh_interval,
            "collector.min_refresh_interval",
            MILLISECOND..=DAY,
            default.min_refresh_interval,
        );
        let timeout = self.duration(
            &section.timeout,
            "collector.timeout",
            MIN_TIMEOUT..=10 * MINUTE,
            default.timeout,
        );
        let plan = CollectorPlan {
            concurrency: self.count(
                &section.concurrency,
                "collector.concurrency",
                1..=1024,
                default.concurrency,
            ),
            requests_per_second: self.rate(section, default.requests_per_second),
            timeout,
            // Less than `timeout`, which is checked below.
            timeout_offset: section
                .timeout_offset
                .value()
                .map_or(default.timeout_offset, |offset| offset.value),
            max_scrape_timeout: self.duration(
                &section.max_scrape_timeout,
                "collector.max_scrape_timeout",
                MIN_TIMEOUT..=10 * MINUTE,
                default.max_scrape_timeout.max(timeout),
            ),
            min_refresh_interval,
            max_refresh_interval: self.duration(
                &section.max_refresh_interval,
                "collector.max_refresh_interval",
                MILLISECOND..=DAY,
                default.max_refresh_interval.max(min_refresh_interval),
            ),
            gone_after: self.duration(
                &section.gone_after,
                "collector.gone_after",
                SECOND..=14 * DAY,
                default.gone_after,
            ),
        };
        self.check_refresh_intervals(section, &plan);
        self.check_timeout_offset(section, &plan);
        self.check_max_scrape_timeout(section, &plan);
        plan
    }

    fn rate(&mut self, section: &CollectorSection, default: f64) -> f64 {
        let Some(rate) = section.requests_per_second.value() else {
            return default;
        };
        if !(0.01..=10_000.0).contains(&rate.value) {
            let shown = (!rate.hidden).then(|| format!("{:?}", rate.value));
            self.report(
                rate.line,
                "collector.requests_per_second",
                out_of_range(shown),
            )
            .with_hint("allowed: 0.01 to 10000, with fractions");
        }
        rate.value
    }

    fn check_refresh_intervals(&mut self, section: &CollectorSection, plan: &CollectorPlan) {
        let Some(max) = section.max_refresh_interval.value() else {
            return;
        };
        if max.value >= MILLISECOND && max.value < plan.min_refresh_interval {
            self.report(
                max.line,
                "collector.max_refresh_interval",
                "must not be less than `collector.min_refresh_interval`",
            )
            .with_hint("increase `max_refresh_interval` or decrease `min_refresh_interval`");
        }
    }

    fn check_timeout_offset(&mut self, section: &CollectorSection, plan: &CollectorPlan) {
        if plan.timeout_offset < plan.timeout {
            return;
        }
        let hint = "a scrape without a time-out header gets `timeout` minus `timeout_offset`";
        if let Some(offset) = section.timeout_offset.value() {
            self.report(
                offset.line,
                "collector.timeout_offset",
                "must be less than `collector.timeout`",
            )
            .with_hint(hint);
        } else if let Some(timeout) = section.timeout.value()
            && timeout.value >= MIN_TIMEOUT
        {
            self.report(
                timeout.line,
                "collector.timeout",
                "must be greater than `collector.timeout_offset`, which defaults to 500ms",
            )
            .with_hint(hint);
        }
    }

    fn check_max_scrape_timeout(&mut self, section: &CollectorSection, plan: &CollectorPlan) {
        let Some(max) = section.max_scrape_timeout.value() else {
            return;
        };
        if max.value >= MIN_TIMEOUT && max.value < plan.timeout {
            self.report(
                max.line,
                "collector.max_scrape_timeout",
                "must not be less than `collector.timeout`",
            )
            .with_hint("increase `max_scrape_timeout` or decrease `timeout`");
        }
    }

    pub(super) fn probe(&mut self, section: &Field<ProbeSection>) -> ProbePlan {
        let section = section.value();
        let connection = section.and_then(|section| section.value.connection.value());
        let Some(connection) = connection.map(|connection| &connection.value) else {
            return ProbePlan::default();
        };
        let interval = self.duration(
            &connection.min_interval,
            "probe.connection.min_interval",
            MINUTE..=DAY,
            CONNECTION_INTERVAL,
        );
        let is_enabled = connection.enabled.value().is_some_and(|it| it.value);
        ProbePlan {
            connection: is_enabled.then_some(interval),
        }
    }

    pub(super) fn limits(&mut self, section: &Field<LimitsSection>) -> LimitsPlan {
        let absent = LimitsSection::default();
        let section = section.value().map_or(&absent, |section| &section.value);
        let default = LimitsPlan::default();
        LimitsPlan {
            transfers: self.count(
                &section.transfers,
                "limits.transfers",
                1..=10_000_000,
                default.transfers,
            ),
            connectors: self.count(
                &section.connectors,
                "limits.connectors",
                1..=1_000_000,
                default.connectors,
            ),
        }
    }

    fn per_transfer(&mut self, field: &Field<String>) -> PerTransfer {
        let find = |text: &str| PerTransfer::ALL.into_iter().find(|it| it.as_str() == text);
        let text = self.checked(
            field,
            || "metrics.per_transfer".to_owned(),
            |text| find(text).is_some(),
            "unknown value",
            "use `all`, `open`, `configured` or `none`",
        );
        text.and_then(|text| find(&text)).unwrap_or_default()
    }

    pub(super) fn metrics(&mut self, section: &Field<MetricsSection>) -> MetricsPlan {
        let absent = MetricsSection::default();
        let section = section.value().map_or(&absent, |section| &section.value);
        let default = MetricsPlan::default();
        MetricsPlan {
            per_transfer: self.per_transfer(&section.per_transfer),
            keep_settled: self.duration(
                &section.keep_settled,
                "metrics.keep_settled",
                MINUTE..=365 * DAY,
                default.keep_settled,
            ),
            keep_unresolved: self.duration(
                &section.keep_unresolved,
                "metrics.keep_unresolved",
                MINUTE..=365 * DAY,
                default.keep_unresolved,
            ),
            max_transfers: self.count(
                &section.max_transfers,
                "metrics.max_transfers",
                1..=10_000_000,
                default.max_transfers,
            ),
        }
    }
}
