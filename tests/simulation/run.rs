//! Runs a scenario against the real code. Each process has its own runtime, whose time is paused;
//! a kill drops the runtime with everything in it.

use std::sync::Arc;
use std::time::Duration;

use model::Shard;
use tokio::runtime::Builder;

use crate::logs;
use crate::operator::Process;
use crate::peers::Peers;
use crate::plan::{BEGIN, MINUTE, Ms, QUEUES, Restart, SECOND, Scenario, Step, Stop};
use crate::world::{Violation, World};

/// Scrapes at rest, after the last change: polls confirm, refresh, and come back from every back-off.
const REST: [Ms; 10] = [
    MINUTE,
    MINUTE + 45 * SECOND,
    8 * MINUTE,
    9 * MINUTE,
    70 * MINUTE,
    71 * MINUTE,
    72 * MINUTE,
    78 * MINUTE,
    85 * MINUTE,
    86 * MINUTE,
];
const REST_BUDGET: Ms = MINUTE;

/// The result of a run.
pub(crate) struct Outcome {
    pub(crate) violation: Option<Violation>,
    pub(crate) trace: Vec<String>,
    pub(crate) simulated: Ms,
    /// Least and greatest number of counted files at the end.
    pub(crate) files: (u64, u64),
    /// Windows of flows whose outcome was compared.
    pub(crate) windows: u64,
}

/// Runs a scenario, and traces it on request.
pub(crate) fn run(scenario: &Scenario, traced: bool) -> Outcome {
    let scenario = Arc::new(scenario.clone());
    let world = World::new(&scenario, BEGIN, traced);
    let _logs = logs::capture(&world);
    let mut steps = scenario.steps.clone();
    let quiet = scenario.quiet_at();
    steps.push((quiet, Step::Wall(0)));
    let rest = steps.len();
    let scrape = Step::Scrape {
        budget: REST_BUDGET,
        patience: None,
    };
    steps.extend(REST.iter().map(|after| (quiet + after, scrape.clone())));
    let mut driver = Driver {
        world: Arc::clone(&world),
        steps,
        rest,
        next: 0,
    };
    let mut down = 0;
    let mut forgotten = true;
    loop {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let end = runtime.block_on(driver.live(down, forgotten));
        drop(runtime);
        let mut state = world.state();
        if state.violation.is_some() {
            break;
        }
        let Some(restart) = end else { break };
        down = restart.down;
        if restart.wipe {
            state.stored = crate::store::Stored::default();
        }
        if let Some((index, total)) = restart.shard {
            state.plan.shard = Shard::new(index, total).unwrap();
        }
        forgotten = !scenario.setup.store || state.stored.is_empty();
    }
    let mut state = world.state();
    Outcome {
        violation: state.violation.take(),
        trace: state.trace.take().unwrap_or_default(),
        simulated: state.now() - BEGIN,
        files: state.oracle.files(),
        windows: state.oracle.certain_windows(),
    }
}

struct Driver {
    world: Arc<World>,
    steps: Vec<(Ms, Step)>,
    /// Where the scrapes at rest begin.
    rest: usize,
    next: usize,
}

impl Driver {
    /// Runs one process until it is to be restarted, or until the end.
    async fn live(&mut self, down: Ms, forgotten: bool) -> Option<Restart> {
        {
            let mut state = self.world.state();
            state.start_life(down);
            let (life, now) = (state.life, state.now());
            state.note(|| {
                format!(
                    "process starts{}",
                    if forgotten { " with no state" } else { "" }
                )
            });
            state.oracle.life_started(life, now, forgotten);
            if forgotten {
                state.peers = Peers::default();
            }
        }
        let mut process = Process::start(&self.world).await;
        let restart = self.perform(&mut process).await;
        let mut state = self.world.state();
        if restart.is_some() && state.killed.is_none() {
            state.life += 1;
        }
        state.killed = None;
        state.end_life();
        restart
    }

    async fn perform(&mut self, process: &mut Process) -> Option<Restart> {
        while let Some((at, step)) = self.steps.get(self.next).cloned() {
            if let Some(restart) = self.wait(at).await {
                return restart;
            }
            let is_rest = self.next >= self.rest;
            let is_last = self.next + 1 == self.steps.len();
            self.next += 1;
            if self.next == self.rest {
                let mut state = self.world.state();
                state.armed = None;
                let now = state.now();
                for (.., until) in &mut state.api_faults {
                    *until = now.min(*until);
                }
                state.trail_fault = 0;
                state.queue_faults = [false; QUEUES];
                state.store_fault = None;
                state.targets.iter_mut().for_each(|file| file.repair(now));
            }
            if !is_rest && !matches!(step, Step::Scrape { .. }) && self.next != self.rest {
                self.world.state().note(|| format!("== {step}"));
            }
            if let Some(restart) = self.take(process, step, is_last).await {
                return Some(restart);
            }
        }
        let end = self.world.state().now() + REST_BUDGET + SECOND;
        self.wait(end).await.flatten()
    }

    /// Waits for a moment. Returns early, with the restart if there is one, if the process is
    /// killed or the run fails.
    async fn wait(&self, until: Ms) -> Option<Option<Restart>> {
        let now = self.world.state().now();
        if until > now {
            let sleep = tokio::time::sleep(Duration::from_millis(until - now));
            tokio::select! {
                biased;
                () = self.world.stop.notified() => {}
                () = sleep => {}
            }
        }
        let mut state = self.world.state();
        if let Some(restart) = state.killed.take() {
            // The ports of the process are dead already.
            state.killed = None;
            return Some(Some(restart));
        }
        state.violation.is_some().then_some(None)
    }

    /// Takes one step. Returns the restart that it is.
    async fn take(&self, process: &mut Process, step: Step, is_last: bool) -> Option<Restart> {
        let now = self.world.state().now();
        match step {
            Step::Scrape { budget, patience } => {
                process.touch();
                process.scrape(budget, patience, is_last);
            }
            Step::Reload(change) => process.reload(change).await,
            Step::List { transfers, gap } => {
                let mut state = self.world.state();
                let scenario = Arc::clone(&state.scenario);
                for (account, file) in state.targets.iter_mut().enumerate() {
                    file.write(scenario.of_account(&transfers, account), gap, now);
                }
            }
            Step::TargetFault {
                account,
                fault,
                after_read,
                lasting,
            } => {
                if let Some(file) = self.world.state().targets.get_mut(account) {
                    match after_read {
                        Some(after) => file.break_after_read(fault, after, lasting),
                        None => file.break_until(fault, now, now + lasting),
                    }
                }
            }
            Step::Put {
                transfer,
                started_at,
                files,
            } => process.put(transfer, started_at, files),
            Step::Delete { transfer } => process.delete(transfer),
            Step::Restart(restart) => match restart.stop {
                Stop::Graceful => {
                    process.stop().await;
                    return Some(restart);
                }
                Stop::Kill => return Some(restart),
                Stop::KillAtSave { .. } | Stop::KillAtPoll | Stop::KillAtDelete { .. } => {
                    self.world.state().armed = Some(restart);
                }
            },
            Step::Wall(by) => {
                let mut state = self.world.state();
                state.step_wall(by);
                state.oracle.wall_stepped(by);
            }
            Step::ApiFault {
                account,
                fault,
                lasting,
            } => {
                let fault = (account, fault, now, now + lasting);
                self.world.state().api_faults.push(fault);
            }
            Step::TrailFault { lasting } => self.world.state().trail_fault = now + lasting,
            Step::QueueFault { queue } => self.world.state().queue_faults[queue] = true,
            Step::StoreFault { fault, lasting } => {
                self.world.state().store_fault = Some((fault, now + lasting));
            }
        }
        None
    }
}
