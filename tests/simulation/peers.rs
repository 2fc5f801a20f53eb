//! The processes of the other shards: real trackers with stores of their own, for which AWS has no
//! transfers. They change their shards when the process under test does, in the same way.

use std::sync::Arc;

use aws_transfer_exporter::flows::{FlowConfig, connector_groups};
use aws_transfer_exporter::tracker::{Tracker, TrackerSettings};
use model::{FlowWindow, Now, Shard};

use crate::store::Stored;

#[derive(Default)]
pub(crate) struct Peers {
    peers: Vec<Peer>,
}

#[derive(Default)]
struct Peer {
    /// `None` while it is stopped.
    tracker: Option<Tracker>,
    stored: Stored,
}

impl Peers {
    /// Gives the peers the shards that the process under test does not have.
    pub(crate) fn configure(
        &mut self,
        settings: &TrackerSettings,
        flows: &[FlowConfig],
        restarts: bool,
        now: Now,
    ) {
        let total = settings.shard.total();
        let others = (0..total).filter(|index| *index != settings.shard.index());
        let shards: Vec<_> = others
            .filter_map(|index| Shard::new(index, total).ok())
            .collect();
        if self.peers.len() < shards.len() {
            self.peers.resize_with(shards.len(), Peer::default);
        }
        for (number, peer) in self.peers.iter_mut().enumerate() {
            if restarts {
                peer.stop(now);
            }
            let settings = TrackerSettings {
                shard: shards.get(number).copied().unwrap_or_default(),
                ..*settings
            };
            // Without a shard it would not know that others have its flows.
            let is_needed = number < shards.len();
            peer.configure(settings, if is_needed { flows } else { &[] }, now);
        }
    }

    /// Answers a scrape of each.
    pub(crate) fn scrape(&mut self, now: Now) {
        for peer in &mut self.peers {
            if let Some(tracker) = &mut peer.tracker {
                tracker.expire(now);
                tracker.note_scrape(true, now);
            }
            peer.persist(now);
        }
    }

    /// Returns the current windows of a flow, at most one if only its owner has it.
    pub(crate) fn windows(&mut self, flow: &str) -> Vec<FlowWindow> {
        let trackers = self.peers.iter_mut().filter_map(|it| it.tracker.as_mut());
        let views = trackers.flat_map(Tracker::flow_views);
        let views: Vec<_> = views.flat_map(|chunk| chunk.to_vec()).collect();
        let of_flow = views.iter().filter(|view| &*view.title.name == flow);
        of_flow.filter_map(|view| view.window).collect()
    }

    /// Returns the number of windows of a flow that they have counted.
    pub(crate) fn closed_windows(&self, flow: &str) -> u64 {
        let peers = self.peers.iter();
        peers.map(|peer| peer.stored.closed_windows(flow)).sum()
    }
}

impl Peer {
    fn configure(&mut self, settings: TrackerSettings, flows: &[FlowConfig], now: Now) {
        let groups = Arc::new(connector_groups(flows));
        let is_new = self.tracker.is_none();
        let tracker = self
            .tracker
            .get_or_insert_with(|| Tracker::new(settings, now.wall));
        tracker.configure_with_groups(settings, &groups, [], now);
        if is_new {
            tracker.restore(self.stored.saved(), now);
        }
        tracker.watch([], now);
        tracker.configure_flows(flows, now);
        self.persist(now);
    }

    fn stop(&mut self, now: Now) {
        if let Some(tracker) = &mut self.tracker {
            tracker.expire(now);
        }
        self.persist(now);
        self.tracker = None;
    }

    fn persist(&mut self, now: Now) {
        if let Some(tracker) = &mut self.tracker {
            self.stored.apply(&tracker.take_changes(now));
        }
    }
}
