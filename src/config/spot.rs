//! Where each node of a YAML document stands. The YAML reader tells no places, so a second parser's events do.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

use super::node::{MAX_DEPTH, MAX_NODES, Stop};

/// Where the nodes stand, as far as the second parser understood the document.
#[derive(Debug, Default)]
pub(super) struct Spots {
    nodes: Vec<Spot>,
    /// The parser stopped before the end: the last nodes are not known.
    incomplete: bool,
    /// The line of the second document's start.
    pub(super) second_document: Option<usize>,
    /// The document is too deep or too large to be read, and the line where that was seen.
    pub(super) stop: Option<(Stop, usize)>,
}

/// Index of a spot.
pub(super) type SpotId = usize;

#[derive(Debug)]
struct Spot {
    line: usize,
    /// Of a mapping: key, value, key, value and so on.
    children: Vec<SpotId>,
    /// An alias: the spot of its anchor.
    target: Option<SpotId>,
}

impl Spots {
    /// Reads the events of `text`. Stops where the parser no longer understands it: the nodes before are known.
    pub(super) fn of(text: &str) -> Self {
        let mut found = Self::default();
        // This parser refuses tabs that the other takes; a space stands in the same place.
        let spaced = if text.contains('\t') {
            Cow::Owned(text.replace('\t', " "))
        } else {
            Cow::Borrowed(text)
        };
        let mut parser = Parser::new_from_str(&spaced);
        let mut anchors: HashMap<usize, SpotId> = HashMap::new();
        let mut open: Vec<SpotId> = Vec::new();
        let mut documents = 0;
        while let Some(next) = parser.next_event() {
            let Ok((event, span)) = next else {
                found.incomplete = true;
                break;
            };
            let line = span.start.line();
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents == 2 {
                        found.second_document = Some(line);
                        break;
                    }
                }
                Event::Scalar(_, _, anchor, _) => {
                    found.add(line, &open, anchor, &mut anchors);
                }
                Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                    let id = found.add(line, &open, anchor, &mut anchors);
                    open.push(id);
                    if open.len() > MAX_DEPTH {
                        found.stop = Some((Stop::Depth, line));
                        break;
                    }
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                }
                Event::Alias(anchor) => {
                    let id = found.add(line, &open, 0, &mut anchors);
                    found.nodes[id].target = anchors.get(&anchor).copied();
                }
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
            }
            if found.nodes.len() > MAX_NODES {
                found.stop = Some((Stop::Size, line));
                break;
            }
        }
        found
    }

    fn add(
        &mut self,
        line: usize,
        open: &[SpotId],
        anchor: usize,
        anchors: &mut HashMap<usize, SpotId>,
    ) -> SpotId {
        let id = self.nodes.len();
        self.nodes.push(Spot {
            line,
            children: Vec::new(),
            target: None,
        });
        if let Some(parent) = open.last() {
            self.nodes[*parent].children.push(id);
        }
        if anchor != 0 {
            anchors.insert(anchor, id);
        }
        id
    }

    /// The document's outermost node.
    pub(super) fn root(&self) -> Option<SpotId> {
        (!self.nodes.is_empty()).then_some(0)
    }

    /// The line where the node itself stands: of an alias the line of the alias.
    pub(super) fn line(&self, id: SpotId) -> usize {
        self.nodes[id].line
    }

    /// The spot that an alias stands for, else the spot itself.
    pub(super) fn anchored(&self, id: SpotId) -> SpotId {
        self.nodes[id].target.unwrap_or(id)
    }

    /// The children of a spot that is no alias: `wanted` of them, or fewer where the parser stopped in it. None where
    /// the shape is another.
    pub(super) fn children(&self, id: SpotId, wanted: usize) -> &[SpotId] {
        let found = &self.nodes[id].children;
        if found.len() == wanted || (self.incomplete && found.len() < wanted) {
            found
        } else {
            &[]
        }
    }
}
