//! The landing page: the state at a glance, and where to go.

use std::fmt::Write;

use super::html::{Ago, Number, Span, Text};
use super::{Overview, shell, spark};
use crate::tracker::query::RecentFiles;
use crate::tracker::query::{Query, StateFilter};
use crate::web::Exporter;
use model::TransferState;

pub(super) fn page(exporter: &dyn Exporter, telemetry_path: &str) -> String {
    let overview = exporter.overview();
    let stuck = Query {
        state: Some(StateFilter::Stuck),
        ..Query::default()
    };
    let stuck = exporter.select(&stuck).matching;
    let mut out = shell::start("aws-transfer-exporter", "/", telemetry_path);
    let _ = writeln!(
        out,
        "<p>Prometheus exporter for the SFTP connectors of AWS Transfer Family, version {}, started {}.</p>",
        env!("CARGO_PKG_VERSION"),
        Ago {
            at: overview.started,
            now: overview.now
        },
    );
    out.push_str("<section aria-labelledby=\"glance\">\n<h2 id=\"glance\">At a glance</h2>\n<dl class=\"tiles\">\n");
    tiles(&mut out, &overview, stuck);
    out.push_str("</dl>\n</section>\n");
    problems(&mut out, &overview);
    out.push_str("<section aria-labelledby=\"routes\">\n<h2 id=\"routes\">Routes</h2>\n<ul class=\"routes\">\n");
    for (path, what) in [
        ("/transfers", "transfers and failed files, for people"),
        (
            telemetry_path,
            "metrics, for Prometheus; a look at them is a scrape, and makes AWS calls",
        ),
        ("/api/v1/transfers", "transfers and failed files as JSON"),
        (
            "/api/v1/targets",
            "unfinished transfers as targets for /probe, as Prometheus discovers them over HTTP",
        ),
        ("/api/v1/openapi.json", "the description of these routes"),
        ("/-/healthy", "whether the process is up"),
        ("/-/ready", "whether it can answer a scrape"),
    ] {
        let _ = writeln!(
            out,
            "<li><a href=\"{path}\"><code>{path}</code></a>: {what}</li>",
            path = Text(path)
        );
    }
    out.push_str(
        "<li><code>/probe?connector_id=&amp;transfer_id=</code>: one transfer, asked for now; it makes AWS calls</li>\n\
         </ul>\n</section>\n",
    );
    shell::end(out, "")
}

fn tiles(out: &mut String, overview: &Overview, stuck: u64) {
    let mut tile = |name: &str, value: String, link: &str, class: &str| {
        let value = if link.is_empty() {
            value
        } else {
            format!("<a href=\"{link}\">{value}</a>")
        };
        let _ = writeln!(
            out,
            "<div class=\"{class}\"><dt>{name}</dt><dd>{value}</dd></div>"
        );
    };
    let warn = |is_bad: bool, class: &'static str| if is_bad { class } else { "" };
    let connectors = overview.connectors().count() as u64;
    tile(
        "Connectors",
        Number(connectors).to_string(),
        "/transfers#connectors",
        "",
    );
    for state in TransferState::ALL {
        let transfers: u64 = overview
            .connectors()
            .map(|(connector, _)| connector.states.of(state))
            .sum();
        let label = state.as_label();
        let bad = warn(state == TransferState::Failed && transfers > 0, "bad");
        tile(
            &format!("Transfers {label}"),
            Number(transfers).to_string(),
            &format!("/transfers?state={label}"),
            bad,
        );
    }
    tile(
        "Transfers stuck",
        Number(stuck).to_string(),
        "/transfers?state=stuck",
        warn(stuck > 0, "warn"),
    );
    let mut hour = RecentFiles::default();
    overview
        .connectors()
        .for_each(|(_, recent)| hour.add(recent));
    let failed = hour.all_failed();
    tile(
        "Failed files, last hour",
        Number(failed.into()).to_string(),
        "/transfers#failed",
        warn(failed > 0, "bad"),
    );
    tile(
        "Completed files, last hour",
        Number(hour.all_completed().into()).to_string(),
        "/transfers",
        "",
    );
    let sweep = overview.last_sweep.map_or_else(
        || "none yet".to_owned(),
        |sweep| {
            let whole = if sweep.complete {
                "complete"
            } else {
                "incomplete"
            };
            let ago = Ago {
                at: sweep.ended,
                now: overview.now,
            };
            format!("{ago}, {:.1} s, {whole}", sweep.duration.as_secs_f64())
        },
    );
    tile(
        "Last sweep",
        sweep,
        "",
        warn(
            overview.last_sweep.is_some_and(|sweep| !sweep.complete),
            "warn",
        ),
    );
    for (account, rate) in &overview.accounts {
        let name = format!("Allowed requests, {}", Text(account.name.as_str()));
        tile(&name, format!("{rate:.1} per s"), "", "");
    }
    let down = overview.sources.iter().filter(|(_, _, up)| !up).count();
    let sources = match overview.sources.len() {
        0 => "none looked at".to_owned(),
        all => format!("{down} of {all}"),
    };
    tile("Sources that are down", sources, "", warn(down > 0, "bad"));
    let young = overview
        .now
        .duration_since(overview.started)
        .unwrap_or_default();
    let note = if young.as_secs() < 3_600 {
        format!(" (of {})", Span(young))
    } else {
        String::new()
    };
    let picture = spark::sparkline(&hour, 0);
    let _ = writeln!(
        out,
        "<div class=\"wide\"><dt>Files that ended in the last hour{note}</dt><dd>{picture}<span class=\"words\">{}</span></dd></div>",
        spark::words(&hour)
    );
}

fn problems(out: &mut String, overview: &Overview) {
    let down = || overview.sources.iter().filter(|(_, _, up)| !up);
    if down().count() == 0 && overview.storage_up {
        return;
    }
    out.push_str(
        "<section aria-labelledby=\"problems\">\n<h2 id=\"problems\">Problems</h2>\n<ul>\n",
    );
    for (source, target, _) in down() {
        let _ = writeln!(
            out,
            "<li>The newest look at {} <code>{}</code> failed.</li>",
            Text(source),
            Text(target)
        );
    }
    if !overview.storage_up {
        out.push_str("<li>The storage takes no writes: what is learned stays in memory.</li>\n");
    }
    out.push_str("</ul>\n</section>\n");
}
