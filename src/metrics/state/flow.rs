//! Samples of flows.

use std::collections::BTreeMap;

use super::{Row, RowFamily, end_labels};
use crate::metrics::encode::{Encoder, unix_seconds};
use crate::metrics::families;
use model::{Chunk, FlowState, FlowView, Snapshot};

impl Row for FlowView {
    const FAMILIES: &'static [RowFamily<Self>] = &[
        RowFamily {
            descriptor: &families::FLOW_INFO,
            write: |flow, out| {
                flow_row(flow, out);
                out.label("connectors", &flow.title.connectors.join(", "));
                out.label("expect", &flow.title.expect);
                out.gauge(1_u64);
            },
        },
        RowFamily {
            descriptor: &families::FLOW_FILES_FINISHED,
            write: |flow, out| {
                flow_row(flow, out);
                for (end, files) in &flow.finished {
                    let (status, code) = end_labels(end);
                    let labels = [("status", status), ("failure_code", code)];
                    out.counter_with(&labels, *files, flow.known_since, None);
                }
            },
        },
        RowFamily {
            descriptor: &families::FLOW_BYTES,
            write: |flow, out| {
                flow_row(flow, out);
                for (direction, bytes) in &flow.bytes {
                    let labels = [("operation", direction.as_str())];
                    out.counter_with(&labels, *bytes, flow.known_since, None);
                }
            },
        },
        RowFamily {
            descriptor: &families::FLOW_LAST_COMPLETED,
            write: |flow, out| {
                if let Some(at) = flow.last_completed {
                    flow_row(flow, out);
                    out.gauge(unix_seconds(at));
                }
            },
        },
        RowFamily {
            descriptor: &families::FLOW_UNRESOLVED_FAILURES,
            write: |flow, out| {
                flow_row(flow, out);
                out.gauge(flow.unresolved_failures);
            },
        },
        RowFamily {
            descriptor: &families::FLOW_DUPLICATES,
            write: |flow, out| {
                flow_row(flow, out);
                out.counter(flow.duplicates, flow.known_since);
            },
        },
        RowFamily {
            descriptor: &families::FLOW_DEADLINE,
            write: |flow, out| {
                if let Some(window) = &flow.window {
                    flow_row(flow, out);
                    out.gauge(unix_seconds(window.deadline));
                }
            },
        },
        RowFamily {
            descriptor: &families::FLOW_WINDOW_STATE,
            write: |flow, out| {
                if let Some(window) = &flow.window {
                    flow_row(flow, out);
                    for state in FlowState::ALL {
                        let labels = [("state", state.as_str())];
                        out.gauge_with(&labels, u64::from(window.state == state));
                    }
                }
            },
        },
        RowFamily {
            descriptor: &families::FLOW_WINDOW_FILES,
            write: |flow, out| {
                if let Some(window) = &flow.window {
                    flow_row(flow, out);
                    out.gauge(window.files);
                }
            },
        },
        RowFamily {
            descriptor: &families::FLOW_WINDOWS,
            write: |flow, out| write_outcomes(flow, &flow.outcomes, out),
        },
        RowFamily {
            descriptor: &families::FLOW_WINDOWS_CORRECTED,
            write: |flow, out| write_outcomes(flow, &flow.corrected, out),
        },
        RowFamily {
            descriptor: &families::FLOW_LISTING_ITEMS,
            write: |flow, out| {
                if let Some((items, _)) = flow.listing {
                    flow_row(flow, out);
                    out.gauge(items);
                }
            },
        },
        RowFamily {
            descriptor: &families::FLOW_LISTING_TRUNCATED,
            write: |flow, out| {
                if let Some((_, is_truncated)) = flow.listing {
                    flow_row(flow, out);
                    out.gauge(u64::from(is_truncated));
                }
            },
        },
    ];

    fn chunks(snapshot: &Snapshot) -> &[Chunk<Self>] {
        &snapshot.flows
    }
}

/// Begins a row with a flow's label.
fn flow_row(flow: &FlowView, out: &mut Encoder) {
    out.row();
    out.label("flow", &flow.title.name);
}

/// Writes closed windows by outcome, if deliveries are expected.
fn write_outcomes(flow: &FlowView, outcomes: &BTreeMap<FlowState, u64>, out: &mut Encoder) {
    if flow.title.expect.is_empty() {
        return;
    }
    flow_row(flow, out);
    for (outcome, windows) in outcomes {
        let labels = [("outcome", outcome.as_str())];
        out.counter_with(&labels, *windows, flow.known_since, None);
    }
}
