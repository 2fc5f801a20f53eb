//! The configuration as the process has it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_transfer_exporter::flows::schedule::{DayOfWeek, Schedule};
use aws_transfer_exporter::flows::{Expect, FlowConfig};
use aws_transfer_exporter::tracker::{TrackerLimits, TrackerSettings};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use model::{AccountName, FlowTitle, Origin};

use super::queues_of;
use crate::plan::{DAY, FlowScript, MINUTE, Ms};
use crate::world::{PlanState, World};

/// Returns what reports transfers of which account, as the runtime of the app does.
pub(super) fn sources(plan: &PlanState) -> BTreeSet<(AccountName, Origin)> {
    let names = plan.names.iter().enumerate();
    let names =
        names.filter_map(|(account, name)| Some((account, AccountName::new(name.as_ref()?))));
    names
        .flat_map(|(account, name)| {
            let reads_queues = queues_of(plan, account).next().is_some();
            let origins = [
                (Origin::Files, true),
                (Origin::Events, reads_queues),
                (Origin::Cloudtrail, plan.trail),
            ];
            let origins = origins.into_iter().filter(|(_, configured)| *configured);
            origins.map(move |(origin, _)| (name.clone(), origin))
        })
        .collect()
}

/// Returns the flows as they are configured.
pub(super) fn flows(world: &World) -> Vec<FlowConfig> {
    let scenario = Arc::clone(&world.state().scenario);
    let time = |at: Ms| {
        let minutes = i16::try_from(at / MINUTE).unwrap();
        let (hour, minute) = (minutes / 60, minutes % 60);
        Time::constant(hour.try_into().unwrap(), minute.try_into().unwrap(), 0, 0)
    };
    let connectors = |flow: &FlowScript| {
        let ids = flow.connector_ids();
        ids.iter().map(ToString::to_string).collect()
    };
    let flow = |(number, flow): (usize, &FlowScript)| FlowConfig {
        title: Arc::new(FlowTitle {
            name: format!("flow-{number}").into(),
            connectors: connectors(flow),
            paths: (0..flow.paths).map(|path| format!("/**/{path}")).collect(),
            required_files: flow.files,
            ..FlowTitle::default()
        }),
        ignore_codes: BTreeSet::new(),
        expect: Some(Expect {
            schedule: Schedule {
                by: (0..DAY / flow.every)
                    .map(|n| time(flow.phase + n * flow.every))
                    .collect(),
                zone: TimeZone::UTC,
                days: DayOfWeek::ALL.into(),
                except: BTreeSet::new(),
                from: flow.from.map(time),
                grace: Duration::from_millis(flow.grace),
            },
            files: flow.files,
            min_bytes: flow.min_bytes,
        }),
    };
    scenario.flows.iter().enumerate().map(flow).collect()
}

pub(super) fn settings(world: &World, plan: &PlanState) -> TrackerSettings {
    let setup = &world.state().scenario.setup.clone();
    TrackerSettings {
        min_refresh_interval: Duration::from_millis(setup.min_refresh),
        max_refresh_interval: Duration::from_millis(setup.max_refresh.max(setup.min_refresh)),
        gone_after: Duration::from_millis(setup.gone_after),
        keep_settled: Duration::from_millis(setup.keep_settled),
        keep_unresolved: Duration::from_hours(168),
        limits: TrackerLimits::NONE,
        per_transfer: model::PerTransfer::All,
        max_transfers: 1_000,
        shard: plan.shard,
        events: !plan.queues.is_empty(),
    }
}
