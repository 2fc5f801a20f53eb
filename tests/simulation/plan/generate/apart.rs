//! What is drawn apart from all else, with dice of its own, so that the rest of a seed stays as it is.

use simulator::SplitMix64;

use super::Dice;
use crate::plan::{
    BEGIN, Body, Change, DAY, FlowScript, HOUR, MINUTE, MessageScript, Ms, Restart, SECOND,
    SECOND_QUEUE, Scenario, Step, Stop, TargetFault, next_at,
};

/// How long what is counted of a transfer that has left is kept.
const FATE_KEPT: Ms = 15 * DAY;

fn dice(seed: u64, of: u64) -> Dice {
    let mut dice = Dice(SplitMix64::new(seed ^ of));
    // The first draws of neighbouring seeds are alike enough to matter.
    dice.0.bits();
    dice
}

/// Returns the duration of one world in 60: long enough for what outlives a transfer to expire.
pub(super) fn long_horizon(seed: u64) -> Option<Ms> {
    let mut dice = dice(seed, 0x10_0960);
    dice.one_in(60).then(|| dice.between(16 * DAY, 24 * DAY))
}

/// Draws the flows.
pub(super) fn flows(seed: u64, horizon: Ms) -> Vec<FlowScript> {
    let mut dice = dice(seed, 0xF10E);
    (0..dice.below(3))
        .map(|_| flow(&mut dice, horizon))
        .collect()
}

fn flow(dice: &mut Dice, horizon: Ms) -> FlowScript {
    let intervals = [10, 15, 30, 60, 120, 240, 720, 1_440].map(|minutes| minutes * MINUTE);
    // Windows that no scrape judges for very long are unknown.
    let intervals = intervals.into_iter().filter(|every| *every >= horizon / 40);
    let intervals: Vec<_> = intervals.take(3).collect();
    let every = dice.pick(&intervals);
    FlowScript {
        connectors: dice.pick(&[&[0][..], &[1], &[0, 1]]).to_vec(),
        paths: dice.pick(&[1, 2, 4, 100]),
        every,
        phase: dice.between(0, every / MINUTE) * MINUTE % every,
        from: dice
            .one_in(3)
            .then(|| dice.between(0, DAY / MINUTE - 1) * MINUTE),
        grace: dice.pick(&[0, MINUTE, every / 3]) / MINUTE * MINUTE,
        files: dice.pick(&[1, 1, 2, 3]),
        min_bytes: dice.pick(&[0, 0, 0, 5]),
    }
}

/// Draws how target files are read and rewritten, and what is wrong with them when.
pub(super) fn add_targets(scenario: &mut Scenario, horizon: Ms) {
    let mut dice = dice(scenario.seed, 0x7A_26E7);
    let interval = dice.pick(&[5, 10, 30, 120]) * SECOND;
    scenario.setup.files_interval = interval.max(horizon / 50);
    let gap = |dice: &mut Dice| dice.one_in(2).then(|| dice.between(1, SECOND - 1));
    for (_, step) in &mut scenario.steps {
        if let Step::List { gap: of_step, .. } = step {
            *of_step = gap(&mut dice);
        }
    }
    // Changes are near other steps, or near each other.
    let mut anchors: Vec<_> = scenario.steps.iter().map(|(at, _)| *at).collect();
    anchors.push(BEGIN);
    for _ in 0..dice.below(4) {
        let at = dice.moment(&anchors, horizon);
        anchors.push(at);
        let step = if dice.one_in(2) {
            let ids = scenario.transfers.iter().map(|transfer| transfer.id);
            Step::List {
                transfers: dice.some(ids, 2),
                gap: gap(&mut dice),
            }
        } else {
            let long = scenario.setup.files_interval * 4;
            Step::TargetFault {
                account: dice.below(scenario.setup.accounts),
                fault: dice.pick(&[
                    TargetFault::Empty,
                    TargetFault::Unreadable,
                    TargetFault::Removed,
                    TargetFault::NoFolder,
                ]),
                after_read: None,
                lasting: dice.pick(&[50, SECOND / 2, 3 * SECOND, MINUTE, long, long]),
            }
        };
        scenario.steps.push((at, step));
    }
}

/// Draws target files that are rewritten and, between the two reads of the new content, not there or not
/// readable for less than a second.
pub(super) fn add_flickers(scenario: &mut Scenario, horizon: Ms) {
    let mut dice = dice(scenario.seed, 0xF1_1CE2);
    let mut anchors: Vec<_> = scenario.steps.iter().map(|(at, _)| *at).collect();
    anchors.push(BEGIN);
    if !dice.one_in(2) {
        return;
    }
    for _ in 0..=dice.below(2) {
        let at = dice.moment(&anchors, horizon);
        let ids = scenario.transfers.iter().map(|transfer| transfer.id);
        let list = Step::List {
            transfers: dice.some(ids, 2),
            gap: None,
        };
        let fault = Step::TargetFault {
            account: dice.below(scenario.setup.accounts),
            fault: dice.pick(&[
                TargetFault::Removed,
                TargetFault::Removed,
                TargetFault::Empty,
                TargetFault::Unreadable,
                TargetFault::NoFolder,
            ]),
            after_read: Some(dice.pick(&[1, 300, 950])),
            lasting: dice.pick(&[200, 900, 900]),
        };
        scenario.steps.extend([(at, list), (at, fault)]);
    }
}

/// Draws the rate of calls for results that is allowed, if it matters, and a queue of the second account
/// that has the name of one of the first.
pub(super) fn add_limits(scenario: &mut Scenario) {
    let mut dice = dice(scenario.seed, 0x4A7E);
    scenario.setup.rate = dice.one_in(4).then(|| dice.pick(&[2, 3, 5]));
    if scenario.setup.accounts < 2 || dice.one_in(2) {
        return;
    }
    scenario.setup.queues.push(SECOND_QUEUE);
    for message in &mut scenario.messages {
        // A message that names no account belongs to the account of the queue.
        let names_account = !matches!(message.body, Body::Started { .. });
        if names_account && dice.one_in(3) {
            message.queue = SECOND_QUEUE;
        }
    }
}

/// Draws how flows move to other shards, most often after a deadline of one of them.
pub(super) fn add_moves(scenario: &mut Scenario, horizon: Ms) {
    let mut dice = dice(scenario.seed, 0x5_4A2D);
    if scenario.flows.is_empty() || !dice.one_in(3) {
        return;
    }
    for _ in 0..=dice.below(3) {
        let flow = &scenario.flows[dice.below(scenario.flows.len())];
        let after = BEGIN + dice.between(0, horizon * 3 / 4);
        let deadline = next_at(after, flow.every, flow.phase);
        let at = match dice.below(4) {
            0 => after,
            _ => deadline + dice.between(1, flow.every / 2),
        };
        let scrape = || Step::Scrape {
            budget: 10 * SECOND,
            patience: None,
        };
        if dice.one_in(2) {
            scenario
                .steps
                .push((dice.between(deadline, at.max(deadline)), scrape()));
        }
        let total = dice.pick(&[1, 2, 2, 3, 3]);
        let index = u32::try_from(dice.below(total)).unwrap_or(0);
        let total = u32::try_from(total).unwrap_or(1);
        let step = if dice.one_in(2) {
            Step::Reload(Change::Shard(index, total))
        } else {
            Step::Restart(Restart {
                stop: if dice.one_in(3) {
                    Stop::Kill
                } else {
                    Stop::Graceful
                },
                down: dice.pick(&[0, SECOND, 30 * SECOND, 30 * MINUTE]),
                wipe: false,
                shard: Some((index, total)),
            })
        };
        scenario.steps.push((at, step));
    }
}

/// Draws events and starts that come again about 15 days after their transfer has left, as when an
/// archive of events is replayed.
pub(super) fn add_replays(scenario: &mut Scenario, horizon: Ms) {
    let mut dice = dice(scenario.seed, 0x2E_91A1);
    let kept = scenario.setup.keep_settled + FATE_KEPT;
    for transfer in &scenario.transfers {
        for file in &transfer.files {
            for _ in 0..dice.below(3) {
                let early = dice.pick(&[3 * DAY, DAY, 3 * HOUR, 10 * MINUTE]);
                let late = dice.pick(&[10 * MINUTE, 3 * HOUR, DAY, 3 * DAY]);
                let left = file.ends.max(BEGIN) + kept;
                let at = dice.between(left.saturating_sub(early), left + late);
                if at > BEGIN + horizon {
                    continue;
                }
                let queue = match &scenario.setup.queues[..] {
                    [] => dice.below(2),
                    queues => dice.pick(queues),
                };
                scenario.messages.push(MessageScript {
                    queue,
                    at,
                    sent: at,
                    transfer: transfer.id,
                    body: Body::FileEnded(file.id),
                });
                let after = at + dice.between(1, MINUTE);
                let step = if dice.one_in(4) {
                    Step::Put {
                        transfer: transfer.id,
                        started_at: dice.one_in(2),
                        files: dice.one_in(2),
                    }
                } else {
                    Step::Scrape {
                        budget: 10 * SECOND,
                        patience: None,
                    }
                };
                scenario.steps.push((after, step));
            }
        }
    }
}
