//! Ingests a parsed message and returns its outcome.

use super::Sink;
use super::message::ParsedMessage;
use crate::tracker::Ingested;
use model::{Fact, Origin};

/// Outcome of a message; the label `outcome` of
/// `aws_transfer_exporter_discovery_messages_total`, which also has `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageOutcome {
    /// It reported something new, or that nothing has happened.
    Understood,
    /// Everything in it was known.
    Duplicate,
    /// Everything new in it belongs to a shard of another process, which gets it.
    Forwarded,
    /// Nothing in it belongs to a configured account, a selected connector or this shard.
    Foreign,
    /// It could not be parsed.
    Unparsable,
    /// A limit refused something in it.
    Refused,
}

impl MessageOutcome {
    pub(super) const ALL: [Self; 6] = [
        Self::Understood,
        Self::Duplicate,
        Self::Forwarded,
        Self::Foreign,
        Self::Unparsable,
        Self::Refused,
    ];

    pub(super) fn as_label(self) -> &'static str {
        match self {
            Self::Understood => "understood",
            Self::Duplicate => "duplicate",
            Self::Forwarded => "forwarded",
            Self::Foreign => "foreign",
            Self::Unparsable => "unparsable",
            Self::Refused => "refused",
        }
    }
}

/// Logs the failed files that were reported for the first time.
pub fn log_failures(facts: &[Fact], results: &[Ingested]) {
    for (fact, result) in facts.iter().zip(results) {
        if let Fact::FileEnded(file) = fact
            && let Ingested::New { failed } | Ingested::Untracked { failed, .. } = result
            && let Some(failed) = failed
        {
            failed.log(&file.key);
        }
    }
}

/// Ingests the facts of a message and logs files that have failed. Returns the outcome, and how many
/// transfers were not known from this origin.
pub(super) fn ingest(
    sink: &dyn Sink,
    message: &ParsedMessage,
    origin: Origin,
) -> (MessageOutcome, usize) {
    let ParsedMessage::Facts(facts, _) = message else {
        return (MessageOutcome::Foreign, 0);
    };
    if facts.is_empty() {
        return (MessageOutcome::Understood, 0);
    }
    let results = sink.ingest(facts, origin);
    log_failures(facts, &results);
    let is_new =
        |result: &Ingested| matches!(result, Ingested::New { .. } | Ingested::Untracked { .. });
    let new = facts
        .iter()
        .zip(&results)
        .filter(|(_, result)| is_new(result));
    let transfers = new
        .filter(|(fact, _)| matches!(fact, Fact::Started(_)))
        .count();
    let has_news = results.iter().any(is_new);
    let is_refused = |result: &Ingested| matches!(result, Ingested::LimitExceeded(_));
    let outcome = if results.iter().any(is_refused) {
        MessageOutcome::Refused
    } else if has_news {
        MessageOutcome::Understood
    } else if results.contains(&Ingested::Forwarded) {
        MessageOutcome::Forwarded
    } else if results.contains(&Ingested::Duplicate) {
        MessageOutcome::Duplicate
    } else {
        MessageOutcome::Foreign
    };
    (outcome, transfers)
}
