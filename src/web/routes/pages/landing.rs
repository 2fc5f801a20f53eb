//! The landing page: the state at a glance, and the routes.

use askama::Template;

use super::Overview;
use super::html::{Elapsed, Moment, Number};
use super::layout::Layout;
use super::spark::Sparkline;
use crate::tracker::query::{Query, RecentFiles, StateFilter};
use crate::web::Exporter;
use model::TransferState;

/// Length of the window of recent files.
const HOUR_SECONDS: u64 = 3_600;

#[derive(Template)]
#[template(path = "landing.html")]
struct Landing<'a> {
    layout: Layout<'a>,
    started: Moment,
    tiles: Vec<Tile>,
    sweep: SweepTile,
    hour_note: String,
    spark: Sparkline,
    problems: ProblemLists<'a>,
    routes: [(&'a str, &'a str); 7],
}

/// A number with its name.
struct Tile {
    name: String,
    value: String,
    link: Option<String>,
    class: &'static str,
}

struct SweepTile {
    class: &'static str,
    ended: Option<Moment>,
    summary: String,
}

/// What the page lists as problems.
struct ProblemLists<'a> {
    /// Source and target of the sources whose last poll failed.
    sources: Vec<(&'a str, &'a str)>,
    /// Whether the last write to the storage failed.
    storage: bool,
    /// Whether another process owns the state.
    standby: bool,
}

impl ProblemLists<'_> {
    fn is_empty(&self) -> bool {
        self.sources.is_empty() && !self.storage && !self.standby
    }
}

/// Renders the landing page.
pub(super) fn page(exporter: &dyn Exporter, telemetry_path: &str) -> askama::Result<String> {
    let overview = exporter.overview();
    let stuck = Query {
        state: Some(StateFilter::Stuck),
        ..Query::default()
    };
    let stuck = exporter.select(&stuck).matching;
    let mut hour = RecentFiles::default();
    for (_, recent) in overview.connectors() {
        hour.add(recent);
    }
    let uptime = Elapsed::between(overview.started, overview.now);
    Landing {
        layout: Layout {
            title: "aws-transfer-exporter",
            here: "/",
            telemetry_path,
        },
        started: Moment::new(overview.started, overview.now),
        tiles: tiles(&overview, stuck, &hour),
        sweep: sweep(&overview),
        hour_note: if uptime.0.as_secs() < HOUR_SECONDS {
            format!(" (of {uptime})")
        } else {
            String::new()
        },
        spark: Sparkline::new(&hour, 0),
        problems: ProblemLists {
            sources: overview
                .health
                .sources
                .iter()
                .filter(|source| !source.up)
                .map(|source| (source.source.as_str(), source.target.as_str()))
                .collect(),
            storage: !overview.health.storage_up,
            standby: overview.health.is_standby,
        },
        routes: [
            ("/transfers", "transfers and failed files"),
            (
                telemetry_path,
                "metrics for Prometheus; opening them is a scrape and makes AWS calls",
            ),
            ("/api/v1/transfers", "transfers and failed files as JSON"),
            (
                "/api/v1/targets",
                "unfinished transfers as targets for /probe, for HTTP service discovery",
            ),
            ("/api/v1/openapi.json", "the OpenAPI description"),
            ("/-/healthy", "liveness"),
            ("/-/ready", "readiness"),
        ],
    }
    .render()
}

fn tiles(overview: &Overview, stuck: u64, hour: &RecentFiles) -> Vec<Tile> {
    let class = |bad: bool, class: &'static str| if bad { class } else { "" };
    let tile = |name: &str, value: u64, link: &str, class| Tile {
        name: name.to_owned(),
        value: Number(value).to_string(),
        link: Some(link.to_owned()),
        class,
    };
    let mut tiles = vec![tile(
        "Connectors",
        Number::of(overview.connectors().count()).0,
        "./transfers#connectors",
        "",
    )];
    for state in TransferState::ALL {
        let transfers = overview
            .connectors()
            .map(|(connector, _)| connector.states.of(state))
            .sum();
        let label = state.as_label();
        tiles.push(tile(
            &format!("Transfers {label}"),
            transfers,
            &format!("./transfers?state={label}"),
            class(state == TransferState::Failed && transfers > 0, "bad"),
        ));
    }
    let failed = hour.total_failed();
    tiles.extend([
        tile(
            "Transfers stuck",
            stuck,
            "./transfers?state=stuck",
            class(stuck > 0, "warn"),
        ),
        tile(
            "Failed files, last hour",
            failed.into(),
            "./transfers#failed",
            class(failed > 0, "bad"),
        ),
        tile(
            "Completed files, last hour",
            hour.total_completed().into(),
            "./transfers",
            "",
        ),
    ]);
    tiles.extend(overview.accounts.iter().map(|(account, rate)| Tile {
        name: format!("Allowed requests, {}", account.name),
        value: format!("{rate:.1} per s"),
        link: None,
        class: "",
    }));
    let sources = &overview.health.sources;
    let down = sources.iter().filter(|source| !source.up).count();
    tiles.push(Tile {
        name: "Sources that are down".to_owned(),
        value: match sources.len() {
            0 => "no source polled".to_owned(),
            all => format!("{down} of {all}"),
        },
        link: None,
        class: class(down > 0, "bad"),
    });
    tiles
}

fn sweep(overview: &Overview) -> SweepTile {
    let Some(sweep) = overview.health.last_sweep else {
        return SweepTile {
            class: "",
            ended: None,
            summary: String::new(),
        };
    };
    let (class, complete) = if sweep.complete {
        ("", "complete")
    } else {
        ("warn", "incomplete")
    };
    SweepTile {
        class,
        ended: Some(Moment::new(sweep.ended, overview.now)),
        summary: format!("{:.1} s, {complete}", sweep.duration.as_secs_f64()),
    }
}
