//! What becomes of one body: facts are learned, and the body has an outcome.

use super::Sink;
use super::body::Body;
use crate::tracker::Ingested;
use model::{Fact, Origin};

/// What a body turned out to be; the label `outcome` of `aws_transfer_exporter_discovery_messages_total`, which has
/// `failed` as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It told news, or that nothing has happened.
    Understood,
    /// All of it had been told before.
    Duplicate,
    /// None of it is of a configured account, a wanted connector or this shard.
    Foreign,
    /// Nobody understands it.
    Unknown,
}

impl Outcome {
    pub(super) const ALL: [Self; 4] = [
        Self::Understood,
        Self::Duplicate,
        Self::Foreign,
        Self::Unknown,
    ];

    pub(super) fn as_label(self) -> &'static str {
        match self {
            Self::Understood => "understood",
            Self::Duplicate => "duplicate",
            Self::Foreign => "foreign",
            Self::Unknown => "unknown",
        }
    }
}

/// Has `sink` learn what `body` says, and logs files that have failed. Answers the outcome, and how many transfers were
/// not known from this origin before.
pub(super) fn learn(sink: &dyn Sink, body: &Body, origin: Origin) -> (Outcome, usize) {
    let Body::Facts(facts) = body else {
        return (Outcome::Foreign, 0);
    };
    if facts.is_empty() {
        return (Outcome::Understood, 0);
    }
    let learned = sink.learn(facts, origin);
    let is_news = |learned: &&Ingested| matches!(learned, Ingested::New { .. });
    let mut transfers = 0;
    for (fact, learned) in facts
        .iter()
        .zip(&learned)
        .filter(|(_, learned)| is_news(learned))
    {
        match (fact, learned) {
            (Fact::Started(_), _) => transfers += 1,
            (
                Fact::FileEnded(file),
                Ingested::New {
                    failed: Some(failed),
                },
            ) => failed.log(&file.key),
            _ => {}
        }
    }
    let outcome = if learned.iter().any(|learned| is_news(&learned)) {
        Outcome::Understood
    } else if learned.contains(&Ingested::Duplicate) {
        Outcome::Duplicate
    } else {
        Outcome::Foreign
    };
    (outcome, transfers)
}
