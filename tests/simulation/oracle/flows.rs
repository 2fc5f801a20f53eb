//! Checks of flows: counters never fall, each window counts once, and where the evidence leaves no
//! choice, outcomes are those that the documented rules give.

use std::collections::{BTreeMap, BTreeSet};

use aws_transfer_exporter::collector::Collected;
use model::{Finished, FlowState, FlowView, Ownership};

use super::bounds::Bounds;
use super::checks::broken;
use super::{Answer, Oracle, Record};
use crate::peers::Peers;
use crate::plan::{FlowScript, Ms, SECOND, TransferScript, next_at};
use crate::store::Stored;
use crate::world::{Violation, end_of, moment};

/// The end of a file that a poll reports is known well enough if the poll before was at most so long
/// ago.
const VAGUE: Ms = 600 * SECOND;
/// Closed windows that later evidence may correct.
const CORRECTED: usize = 8;

/// A window by the rules.
#[derive(Clone, Copy, Debug)]
struct Window {
    opens: Ms,
    deadline: Ms,
    grace_ends: Ms,
    closes: Ms,
}

/// A completed file as the exporter knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Delivery {
    end: Ms,
    earliest: Ms,
    path: usize,
    valid: bool,
}

/// What the exporter certainly knows of a flow.
#[derive(Default)]
struct Evidence {
    deliveries: Vec<Delivery>,
    failures: Vec<Ms>,
    /// For each of them, the moment that it is about and when it was known.
    known: Vec<(Ms, Ms)>,
}

/// How a flow should stand.
struct Expected {
    outcomes: BTreeMap<FlowState, u64>,
    current: (Ms, FlowState),
}

/// Returns the windows of a flow from the first deadline at or after `since` until one has a deadline
/// after `until`.
fn windows(flow: &FlowScript, since: Ms, until: Ms) -> Vec<Window> {
    const DAY: Ms = crate::plan::DAY;
    let opens = |deadline: Ms| {
        let before = deadline - flow.every;
        let from = flow.from.map(|from| next_at(deadline - DAY, DAY, from));
        from.map_or(before, |from| from.max(before))
    };
    let mut windows = Vec::new();
    let mut deadline = next_at(since, flow.every, flow.phase);
    loop {
        let following = deadline + flow.every;
        let next_opens = opens(following);
        let cut = if next_opens > deadline {
            next_opens
        } else {
            deadline + flow.every / 2
        };
        let grace_ends = deadline + flow.grace;
        windows.push(Window {
            opens: opens(deadline),
            deadline,
            grace_ends,
            closes: cut.max(grace_ends).min(following),
        });
        if deadline > until {
            return windows;
        }
        deadline = following;
    }
}

impl Expected {
    /// Applies the rules of the documentation to the files of a flow.
    fn new(flow: &FlowScript, windows: &[Window], since: Ms, now: Ms, evidence: &Evidence) -> Self {
        let mut deliveries = evidence.deliveries.clone();
        deliveries.sort_unstable();
        let mut failures = evidence.failures.clone();
        let mut outcomes = BTreeMap::new();
        let is_vague = |it: &Delivery| it.earliest < it.end;
        let vague: Vec<_> = deliveries.iter().copied().filter(is_vague).collect();
        for window in windows {
            let of_window = |it: &Delivery| {
                it.end >= window.opens && !(is_vague(it) && it.earliest < window.opens)
            };
            let mut valid = BTreeSet::new();
            let mut seen = false;
            let mut until = window.closes;
            let mut in_time = 0;
            deliveries.retain(|it| {
                if it.end > window.deadline || !of_window(it) {
                    return it.end > window.deadline;
                }
                seen = true;
                if it.valid {
                    valid.insert(it.path);
                }
                false
            });
            in_time += valid.len() as u64;
            if in_time >= flow.files {
                until = window.deadline;
            }
            deliveries.retain(|it| {
                if it.end > until || !of_window(it) {
                    return true;
                }
                seen = true;
                if it.valid {
                    valid.insert(it.path);
                }
                if valid.len() as u64 >= flow.files {
                    until = it.end;
                }
                false
            });
            let has_failed = |at: &Ms| (window.opens..=until).contains(at);
            let failed = failures.iter().any(has_failed);
            failures.retain(|at| *at > until);
            let satisfied = valid.len() as u64 >= flow.files;
            let doubtful = window.opens < since
                || vague.iter().any(|it| {
                    let here = (window.opens..=window.deadline).contains(&it.end);
                    it.earliest <= window.closes && window.deadline < it.end
                        || here && it.earliest < window.opens
                });
            let unless_doubtful = |state| if doubtful { FlowState::Unknown } else { state };
            let state = if in_time >= flow.files {
                FlowState::OnTime
            } else if satisfied {
                unless_doubtful(FlowState::Late)
            } else if now <= window.deadline {
                FlowState::Waiting
            } else if now <= window.grace_ends {
                unless_doubtful(FlowState::Late)
            } else if seen || failed {
                unless_doubtful(FlowState::Invalid)
            } else {
                unless_doubtful(FlowState::Missing)
            };
            let closed = match state {
                FlowState::OnTime => now > window.deadline,
                FlowState::Waiting => false,
                _ => satisfied || now > window.closes,
            };
            if !closed {
                let current = (window.deadline, state);
                return Self { outcomes, current };
            }
            *outcomes.entry(state).or_default() += 1;
        }
        unreachable!("the last window has a deadline after `now`")
    }
}

impl Oracle {
    /// Returns the flow that owns a file.
    fn flow_of(&self, script: &TransferScript, path: usize) -> Option<usize> {
        let mut flows = self.scenario.flows.iter();
        flows.position(|flow| flow.connectors.contains(&script.connector) && path < flow.paths)
    }

    /// Counters of flows never fall, and have at most what there is evidence for.
    pub(super) fn check_flows(
        &mut self,
        collected: &Collected,
        durable: bool,
    ) -> Result<(), Violation> {
        for (flow, view) in views(collected) {
            for (what, value) in counters(view) {
                let key = (flow, what);
                let before = self.exported_flows.get(&key).copied().unwrap_or(0);
                if value < before {
                    let detail = format!("{key:?} from {before} to {value}");
                    return broken("a counter of a flow fell", detail);
                }
                if durable {
                    self.durable_flows.insert(key.clone(), value);
                }
                self.exported_flows.insert(key, value);
            }
        }
        Ok(())
    }

    /// Checks the flows after a complete scrape at rest. Returns the number of windows whose outcome was
    /// certain.
    pub(super) fn check_flows_at_rest(
        &self,
        collected: &Collected,
        now: Ms,
    ) -> Result<u64, Violation> {
        let mut certain = 0;
        let views: BTreeMap<_, _> = views(collected).collect();
        for (flow, script) in self.scenario.flows.iter().enumerate() {
            let is_owned = self
                .owned
                .last()
                .is_none_or(|(owned, _)| owns(owned, script));
            match views.get(&flow) {
                Some(view) if is_owned => {
                    self.check_files_of_flow(flow, view)?;
                    certain += self.check_outcomes(flow, script, view, now)?;
                }
                None if !is_owned => {}
                _ => {
                    let detail = format!("flow {flow}, owned: {is_owned}");
                    return broken("a flow is with the wrong shard", detail);
                }
            }
        }
        Ok(certain)
    }

    fn check_outcomes(
        &self,
        flow: usize,
        script: &FlowScript,
        view: &FlowView,
        now: Ms,
    ) -> Result<u64, Violation> {
        let Some(since) = self.flows_since.filter(|since| {
            since.is_sure && since.first.at == since.sure.at && self.has_true_time()
        }) else {
            return Ok(0);
        };
        let since = since.first.at;
        let windows = windows(script, since, now);
        let mut net = view.outcomes.clone();
        for (state, corrected) in &view.corrected {
            let Some(left) = net.get(state).and_then(|all| all.checked_sub(*corrected)) else {
                let detail = format!("flow {flow}: {:?}", view.corrected);
                return broken("more outcomes are corrected than counted", detail);
            };
            net.insert(*state, left);
        }
        net.retain(|_, count| *count > 0);
        let counted = net.values().sum::<u64>();
        let over = windows.iter().filter(|window| window.closes < now).count() as u64;
        let due = windows
            .iter()
            .filter(|window| window.deadline < now)
            .count() as u64;
        // While another shard owned the flow, it counted nothing.
        let always = self.owned.iter().all(|(owned, _)| owns(owned, script));
        let least = if always { over } else { 0 };
        if !(least..=due).contains(&counted) {
            let detail = format!("flow {flow} has {net:?}, expected {least} to {due}");
            return broken("a window was not counted once", detail);
        }
        let evidence = self.evidence_of_flow(flow, &windows);
        let Some(evidence) = evidence.filter(|_| always) else {
            return Ok(0);
        };
        let expected = Expected::new(script, &windows, since, now, &evidence);
        let current = view.window.as_ref();
        let current = current.map(|window| (moment(window.deadline).cast_unsigned(), window.state));
        if net != expected.outcomes || current != Some(expected.current) {
            return broken(
                "the outcomes of a flow are wrong",
                format!(
                    "flow {flow} has {net:?} and {current:?}, expected {:?} and {:?} of {:?} and failures {:?}",
                    expected.outcomes, expected.current, evidence.deliveries, evidence.failures,
                ),
            );
        }
        Ok(counted)
    }

    /// Checks that each window has been counted once by all processes together, which change their shards
    /// at the same moment.
    pub(crate) fn check_windows_of_all(
        &self,
        collected: &Collected,
        stored: &Stored,
        peers: &mut Peers,
        now: Ms,
    ) -> Result<(), Violation> {
        let since = self.flows_since.filter(|since| {
            since.is_sure && since.first.at == since.sure.at && self.has_true_time()
        });
        let Some(since) = since.filter(|_| self.scenario.setup.store) else {
            return Ok(());
        };
        let views: BTreeMap<_, _> = views(collected).collect();
        for (flow, script) in self.scenario.flows.iter().enumerate() {
            let name = format!("flow-{flow}");
            let windows = windows(script, since.first.at, now);
            let due = |from: Ms, to: Ms| {
                let due = windows.iter();
                due.filter(|window| (from..to).contains(&window.deadline))
                    .count() as u64
            };
            let own = views.get(&flow).and_then(|view| view.window);
            let owners = own.into_iter().chain(peers.windows(&name));
            let open: Vec<_> = owners
                .map(|window| due(moment(window.deadline).cast_unsigned(), now))
                .collect();
            let [open] = open[..] else {
                let detail = format!("flow {flow}: {}", open.len());
                return broken("a flow does not have one owner", detail);
            };
            let lost = self.handovers.iter().filter(|it| !it.keeps(script));
            let lost: u64 = lost.map(|it| due(it.from, it.to)).sum();
            // A process that was killed may not know that the flow had left it.
            let twice = self.handovers.iter().filter(|it| it.before.is_none());
            let twice: u64 = twice.map(|it| due(it.from, it.to)).sum();
            let counted = stored.closed_windows(&name) + peers.closed_windows(&name);
            let (counted, all) = (counted + open, due(0, now));
            if counted > all + twice || counted + lost < all {
                let detail = format!("flow {flow}: {counted} of {all}, of them {open} open");
                return broken("a window did not count once over all shards", detail);
            }
        }
        Ok(())
    }

    /// Returns whether the wall clock was right all the time.
    fn has_true_time(&self) -> bool {
        self.wall_errors == 0
    }

    /// Returns what is known of the files of a flow; `None` if that depends on more than the oracle
    /// observes.
    fn evidence_of_flow(&self, flow: usize, windows: &[Window]) -> Option<Evidence> {
        let mut evidence = Evidence::default();
        let min_bytes = self.scenario.flows[flow].min_bytes;
        let keep_settled = self.scenario.setup.keep_settled;
        // A transfer may have left and come back between two polls: what the first one knew is lost.
        let may_have_left = |from: Ms, to: Ms| {
            to - from >= keep_settled || self.changes.iter().any(|at| (from..=to).contains(at))
        };
        for ((_, transfer), record) in &self.records {
            let script = self.scenario.transfer(*transfer)?;
            let mut files = script.files.iter();
            if !files.any(|file| self.flow_of(script, file.path) == Some(flow)) {
                continue;
            }
            if record.is_empty() {
                continue;
            }
            if !self.may_be_forgotten(record).is_empty() {
                return None;
            }
            let is_lost = |sure: bool| !sure || record.left_at != 0;
            let mut polls = record.polls.iter().filter(|poll| poll.answer.is_some());
            if !script.has_clear_rows()
                || polls.any(|poll| is_lost(poll.sure))
                || record.events.iter().any(|event| is_lost(event.sure))
            {
                return None;
            }
            for file in &script.files {
                if self.flow_of(script, file.path) == Some(flow) {
                    record.add_evidence(
                        file.id,
                        script,
                        min_bytes,
                        &may_have_left,
                        &mut evidence,
                    )?;
                }
            }
        }
        // What is known too late corrects nothing.
        let in_time = |(about, known): &(Ms, Ms)| {
            let home = windows.partition_point(|window| window.deadline < *about);
            let last = windows.get(home + CORRECTED);
            last.is_none_or(|last| *known + SECOND < last.deadline)
        };
        evidence.known.iter().all(in_time).then_some(evidence)
    }

    /// A flow counts its files, as their connectors do.
    fn check_files_of_flow(&self, flow: usize, view: &FlowView) -> Result<(), Violation> {
        let mut all = BTreeMap::<Finished, Bounds>::new();
        for ((name, transfer), record) in &self.records {
            let Some(script) = self.scenario.transfer(*transfer) else {
                continue;
            };
            let (mut own, whole) = (script.clone(), script);
            own.files
                .retain(|file| self.flow_of(script, file.path) == Some(flow));
            let is_shared = own.files.len() < whole.files.len();
            let bounds = self.of_transfer(name, &own, record, Ms::MAX, true);
            let at_most = self.of_transfer(name, &own, record, Ms::MAX, false);
            let of_whole = self.of_transfer(name, whole, record, Ms::MAX, false);
            for (end, bounds) in bounds {
                let sum = all.entry(end.clone()).or_default();
                // Which file an event is about is not certain.
                let is_clear = !is_shared || whole.has_clear_rows();
                sum.least += if is_clear { bounds.least } else { 0 };
                sum.most += if is_clear {
                    at_most.get(&end).map_or(0, |bounds| bounds.most)
                } else {
                    of_whole.get(&end).map_or(0, |bounds| bounds.most)
                };
            }
        }
        for end in [None, Some(0), Some(1), Some(2)].map(end_of) {
            let value = view.finished.get(&end).copied().unwrap_or(0);
            let bounds = all.get(&end).copied().unwrap_or_default();
            if !(bounds.least..=bounds.most).contains(&value) {
                let detail = format!("flow {flow}: {end:?} is {value}, not {bounds:?}");
                return broken("a flow has not counted its files", detail);
            }
        }
        Ok(())
    }
}

impl Record {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.polls.iter().all(|poll| poll.answer.is_none())
    }

    /// Adds what is known of a file. Returns `None` if it is not certain.
    fn add_evidence(
        &self,
        id: usize,
        script: &TransferScript,
        min_bytes: u64,
        may_have_left: &dyn Fn(Ms, Ms) -> bool,
        evidence: &mut Evidence,
    ) -> Option<()> {
        let file = script.file(id)?;
        let events = self.events.iter().filter(|event| event.file == id);
        let event = events.map(|event| event.at).min();
        let answers = self.polls.iter().filter_map(|poll| {
            let (at, answer) = poll.answer.as_ref()?;
            (*answer != Answer::Failed).then_some((poll.life, *at, answer))
        });
        let answers: Vec<_> = answers.collect();
        let seen = answers.iter().position(|(.., answer)| answer.has_ended(id));
        let polled = seen.map(|seen| answers[seen].1);
        if event
            .zip(polled)
            .is_some_and(|(a, b)| a.abs_diff(b) <= SECOND)
        {
            return None;
        }
        if let Some(event) = event
            .filter(|event| file.failure.is_none() || polled.is_none_or(|polled| *event < polled))
        {
            // Until the event, a poll may have cast doubt on any window before it.
            let about = polled
                .filter(|polled| *polled < event)
                .map_or(file.ends, |_| 0);
            evidence.known.push((about, event));
            if file.failure.is_some() {
                evidence.failures.push(file.ends);
            } else {
                evidence.deliveries.push(Delivery {
                    end: file.ends,
                    earliest: file.ends,
                    path: file.path,
                    valid: true,
                });
            }
            return Some(());
        }
        let Some(seen) = seen else { return Some(()) };
        let (life, at, _) = answers[seen];
        evidence.known.push((at, at));
        if file.failure.is_some() {
            evidence.failures.push(at);
            return Some(());
        }
        let mut known = self.starts.iter().filter(|start| start.at < at);
        let started = known.next().map(|first| {
            let is_certain = first.exact && first.sure && known.all(|it| it.time == first.time);
            is_certain.then_some(first.time.cast_unsigned())
        });
        let polled = match seen.checked_sub(1).map(|before| answers[before]) {
            Some((other, ..)) if other != life => return None,
            // It may have settled.
            Some((_, _, Answer::Rows { open: 0, .. })) => return None,
            Some((_, before, _)) if may_have_left(before, at) => return None,
            Some((_, before, _)) => before,
            // The start of a file is a start too.
            None if started.is_none() && !self.events.is_empty() => return None,
            None => 0,
        };
        let earliest = match started {
            Some(started) => started?.max(polled),
            None => polled,
        };
        let uncertainty = at.saturating_sub(earliest);
        if uncertainty.abs_diff(VAGUE) < SECOND {
            return None;
        }
        let is_vague = uncertainty > VAGUE;
        if is_vague {
            evidence.known.push((earliest, at));
        }
        evidence.deliveries.push(Delivery {
            end: at,
            earliest: if is_vague { earliest } else { at },
            path: file.path,
            valid: min_bytes == 0,
        });
        Some(())
    }
}

/// A restart: what has happened between the last moment that is surely durable and its configuration.
pub(super) struct Handover {
    pub(super) from: Ms,
    pub(super) to: Ms,
    /// What the process has owned, unless it may not know that.
    pub(super) before: Option<Ownership>,
    pub(super) after: Ownership,
}

impl Handover {
    /// Returns whether deadlines in between count nevertheless.
    fn keeps(&self, flow: &FlowScript) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|before| !owns(before, flow) || owns(&self.after, flow))
    }
}

/// Returns the exported flows by their numbers.
fn views(collected: &Collected) -> impl Iterator<Item = (usize, &FlowView)> {
    let flows = collected.snapshot.flows.iter();
    flows.flat_map(|chunk| chunk.iter()).filter_map(|view| {
        let number = view.title.name.strip_prefix("flow-")?;
        Some((number.parse().ok()?, view))
    })
}

/// Returns whether a process has all files of a flow.
fn owns(ownership: &Ownership, flow: &FlowScript) -> bool {
    let mut connectors = flow.connector_ids().into_iter();
    connectors.all(|connector| ownership.owns_all(&connector))
}

/// Returns the counters of a flow by name.
fn counters(view: &FlowView) -> Vec<(String, u64)> {
    let mut all = vec![("duplicates".to_owned(), view.duplicates)];
    let finished = view.finished.iter();
    all.extend(finished.map(|(end, count)| (format!("finished {end:?}"), *count)));
    let outcomes = view.outcomes.iter();
    all.extend(outcomes.map(|(state, count)| (format!("windows {state:?}"), *count)));
    let corrected = view.corrected.iter();
    all.extend(corrected.map(|(state, count)| (format!("corrected {state:?}"), *count)));
    let bytes = view.bytes.iter();
    all.extend(bytes.map(|(direction, count)| (format!("bytes {direction:?}"), *count)));
    all
}
