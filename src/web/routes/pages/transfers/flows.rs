//! The table of flows.

use std::time::SystemTime;

use super::Table;
use crate::web::routes::pages::html::{Elapsed, Moment, Number, timestamp};
use model::{Chunk, FlowState, FlowView};

pub(super) struct FlowRow<'a> {
    pub(super) name: &'a str,
    pub(super) window: Option<WindowCells>,
    pub(super) last_completed: Option<Moment>,
    pub(super) unresolved: Number,
    pub(super) expect: &'a str,
}

pub(super) struct WindowCells {
    pub(super) state: &'static str,
    pub(super) class: &'static str,
    pub(super) deadline: String,
    /// From now to the deadline, or since.
    pub(super) distance: String,
    pub(super) files: String,
}

/// Returns all flows, those first whose delivery is missing or late.
pub(super) fn flows(chunks: &[Chunk<FlowView>], now: SystemTime) -> Table<FlowRow<'_>> {
    let mut flows: Vec<_> = chunks.iter().flat_map(|chunk| chunk.iter()).collect();
    let urgency = |flow: &&FlowView| match flow.window.map(|window| window.state) {
        Some(FlowState::Missing | FlowState::Invalid) => 0,
        Some(FlowState::Late | FlowState::Unknown) => 1,
        Some(FlowState::Waiting) => 2,
        Some(FlowState::OnTime) => 3,
        None => 4,
    };
    flows.sort_by_key(urgency);
    let window = |flow: &FlowView| {
        flow.window.map(|window| WindowCells {
            state: window.state.as_str(),
            class: match window.state {
                FlowState::Missing | FlowState::Invalid => "state failed",
                FlowState::Late | FlowState::Unknown => "state stuck",
                FlowState::OnTime => "state completed",
                FlowState::Waiting => "state pending",
            },
            deadline: timestamp(window.deadline),
            distance: match window.deadline.duration_since(now) {
                Ok(left) => format!("in {}", Elapsed(left)),
                Err(passed) => format!("{} ago", Elapsed(passed.duration())),
            },
            files: format!("{} of {}", window.files, flow.title.required_files),
        })
    };
    let rows = flows.into_iter().map(|flow| FlowRow {
        name: &flow.title.name,
        window: window(flow),
        last_completed: flow.last_completed.map(|at| Moment::new(at, now)),
        unresolved: Number(flow.unresolved_failures),
        expect: &flow.title.expect,
    });
    let rows: Vec<_> = rows.collect();
    Table {
        caption: format!(
            "{}. Those that need attention come first.",
            Number::of(rows.len()).counted("flow")
        ),
        rows,
    }
}
