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
    /// Nothing in it belongs to a configured account, a selected connector or this shard.
    Foreign,
    /// It could not be parsed.
    Unparsable,
    /// A limit refused something in it.
    Refused,
}

impl MessageOutcome {
    pub(super) const ALL: [Self; 5] = [
        Self::Understood,
        Self::Duplicate,
        Self::Foreign,
        Self::Unparsable,
        Self::Refused,
    ];

    pub(super) fn as_label(self) -> &'static str {
        match self {
            Self::Understood => "understood",
            Self::Duplicate => "duplicate",
            Self::Foreign => "foreign",
            Self::Unparsable => "unparsable",
            Self::Refused => "refused",
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
    let (mut transfers, mut has_news) = (0, false);
    for (fact, result) in facts.iter().zip(&results) {
        let (Ingested::New { failed } | Ingested::Untracked { failed, .. }) = result else {
            continue;
        };
        has_news = true;
        match fact {
            Fact::Started(_) => transfers += 1,
            Fact::FileEnded(file) => {
                if let Some(failed) = failed {
                    failed.log(&file.key);
                }
            }
            Fact::OperationEnded(_) => {}
        }
    }
    let is_refused = |result: &Ingested| matches!(result, Ingested::LimitExceeded(_));
    let outcome = if results.iter().any(is_refused) {
        MessageOutcome::Refused
    } else if has_news {
        MessageOutcome::Understood
    } else if results.contains(&Ingested::Duplicate) {
        MessageOutcome::Duplicate
    } else {
        MessageOutcome::Foreign
    };
    (outcome, transfers)
}
