//! Prints scenarios for people. Times are relative to the exporter's first start.

use std::fmt::{self, Write};

use super::{BEGIN, Body, DAY, HOUR, MINUTE, Ms, SECOND, Scenario, Step};

/// Returns a moment, for example `+1h02m03.004s`.
pub(crate) fn clock(at: Ms) -> String {
    if at >= BEGIN {
        format!("+{}", span(at - BEGIN))
    } else {
        format!("-{}", span(BEGIN - at))
    }
}

/// Returns a duration, for example `1h02m03.004s`.
pub(crate) fn span(mut ms: Ms) -> String {
    let mut text = String::new();
    for (unit, name) in [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")] {
        if ms >= unit || !text.is_empty() {
            let _ = write!(text, "{}{name}", ms / unit);
            ms %= unit;
        }
    }
    text + &format!("{}.{:03}s", ms / SECOND, ms % SECOND)
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setup = &self.setup;
        writeln!(
            f,
            "setup: {} account(s), {}",
            setup.accounts,
            if setup.store { "a store" } else { "no store" }
        )?;
        writeln!(
            f,
            "  refresh {} to {}, gone after {}, settled kept {}, concurrency {}, rate {}, latency {}",
            span(setup.min_refresh),
            span(setup.max_refresh),
            span(setup.gone_after),
            span(setup.keep_settled),
            setup.concurrency,
            setup
                .rate
                .map_or("unlimited".into(), |rate| format!("{rate}/s")),
            span(setup.latency),
        )?;
        writeln!(
            f,
            "  sources: queues {:?}, CloudTrail {}, configured transfers {:?}, target files {:?} read every {}",
            setup.queues,
            if setup.trail {
                span(setup.trail_interval)
            } else {
                "off".into()
            },
            setup.configured,
            setup.listed,
            span(setup.files_interval),
        )?;
        writeln!(
            f,
            "  wall clock: {} ms, drift {} us/s; an unknown transfer has {}",
            setup.wall_offset,
            setup.drift,
            if setup.empty_if_unknown {
                "an empty page"
            } else {
                "an error"
            },
        )?;
        for flow in &self.flows {
            writeln!(f, "flow: {flow:?}")?;
        }
        for transfer in &self.transfers {
            writeln!(
                f,
                "transfer {}: account {}, connector {}, starts {}, known {}{}{}",
                transfer.id,
                transfer.account,
                transfer.connector,
                clock(transfer.start),
                clock(transfer.known),
                if transfer.odd_paths {
                    ", events have other paths"
                } else {
                    ""
                },
                if transfer.reversed {
                    ", rows reversed"
                } else {
                    ""
                },
            )?;
            for at in &transfer.trail {
                writeln!(f, "  CloudTrail lists the start at {}", clock(*at))?;
            }
            for file in &transfer.files {
                let end = file
                    .failure
                    .map_or("COMPLETED".into(), |code| format!("FAILED ({code})"));
                writeln!(
                    f,
                    "  file {}: path {}, row {}, in progress {}, {end} {}",
                    file.id,
                    file.path,
                    clock(file.visible),
                    clock(file.begins),
                    clock(file.ends),
                )?;
            }
        }
        let mut messages: Vec<_> = self.messages.iter().collect();
        messages.sort_by_key(|message| message.at);
        for message in messages {
            let body = match message.body {
                Body::FileEnded(file) => format!("file {file} has ended"),
                Body::Recorded => "started, by CloudTrail".into(),
                Body::Started { started_at, files } => format!(
                    "started{}{}",
                    if started_at { ", with the time" } else { "" },
                    if files {
                        ", with the number of files"
                    } else {
                        ""
                    },
                ),
            };
            writeln!(
                f,
                "message {} in queue {}: transfer {} {body} (sent {})",
                clock(message.at),
                message.queue,
                message.transfer,
                clock(message.sent),
            )?;
        }
        for (at, step) in &self.steps {
            writeln!(f, "{:>16} {step}", clock(*at))?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scrape { budget, patience } => {
                write!(f, "scrape with a budget of {}", span(*budget))?;
                match patience {
                    Some(after) => write!(f, ", whose client leaves after {}", span(*after)),
                    None => Ok(()),
                }
            }
            Self::Reload(change) => write!(f, "reload: {change:?}"),
            Self::List { transfers, gap } => {
                write!(f, "target files: {transfers:?}")?;
                match gap {
                    Some(gap) => write!(f, ", in two writes within {}", span(*gap)),
                    None => Ok(()),
                }
            }
            Self::TargetFault {
                account,
                fault,
                after_read,
                lasting,
            } => {
                write!(
                    f,
                    "target file of account {account}: {fault:?} for {}",
                    span(*lasting)
                )?;
                match after_read {
                    Some(after) => write!(f, ", from {} after the next read", span(*after)),
                    None => Ok(()),
                }
            }
            Self::Put {
                transfer,
                started_at,
                files,
            } => write!(
                f,
                "PUT transfer {transfer}{}{}",
                if *started_at { " with started_at" } else { "" },
                if *files { " with files" } else { "" },
            ),
            Self::Delete { transfer } => write!(f, "DELETE transfer {transfer}"),
            Self::Restart(restart) => write!(
                f,
                "restart: {:?}, down for {}{}{}",
                restart.stop,
                span(restart.down),
                if restart.wipe { ", store lost" } else { "" },
                restart
                    .shard
                    .map_or(String::new(), |(index, total)| format!(
                        ", then shard {index} of {total}"
                    )),
            ),
            Self::Wall(step) => write!(f, "wall clock set by {step} ms"),
            Self::ApiFault {
                account,
                fault,
                lasting,
            } => {
                write!(f, "account {account}: {fault:?} for {}", span(*lasting))
            }
            Self::TrailFault { lasting } => write!(f, "CloudTrail fails for {}", span(*lasting)),
            Self::QueueFault { queue } => write!(f, "the next receive from queue {queue} fails"),
            Self::StoreFault { fault, lasting } => {
                write!(f, "store: {fault:?} for {}", span(*lasting))
            }
        }
    }
}
