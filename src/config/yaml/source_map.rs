//! The line of each node of a document. The serde parser does not report positions, so the events
//! of a second parser provide them.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser};

use super::limits::{LimitError, MAX_DEPTH, MAX_NODES};

/// The positions of all nodes that the second parser understood.
#[derive(Debug, Default)]
pub(super) struct SourceMap {
    spans: Vec<SourceSpan>,
    /// The parser stopped before the end of the document, so the last nodes are missing.
    incomplete: bool,
    /// The line where a second document starts.
    pub(super) second_document: Option<usize>,
    /// The limit that the document exceeds, and the line.
    pub(super) limit: Option<(LimitError, usize)>,
}

/// Index of a span in its [`SourceMap`].
pub(super) type SpanId = usize;

#[derive(Debug)]
struct SourceSpan {
    line: usize,
    /// For a mapping: key, value, key, value and so on.
    children: Vec<SpanId>,
    /// For an alias: the span of its anchor.
    target: Option<SpanId>,
}

impl SourceMap {
    /// Reads the events of `text`, up to the first that the parser does not understand.
    pub(super) fn new(text: &str) -> Self {
        let mut map = Self::default();
        // This parser rejects tabs that the other accepts; a space has the same position.
        let spaced = if text.contains('\t') {
            Cow::Owned(text.replace('\t', " "))
        } else {
            Cow::Borrowed(text)
        };
        let mut parser = Parser::new_from_str(&spaced);
        let mut anchors: HashMap<usize, SpanId> = HashMap::new();
        let mut open: Vec<SpanId> = Vec::new();
        let mut documents = 0;
        while let Some(next) = parser.next_event() {
            let Ok((event, span)) = next else {
                map.incomplete = true;
                break;
            };
            let line = span.start.line();
            match event {
                Event::StreamEnd => break,
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents == 2 {
                        map.second_document = Some(line);
                        break;
                    }
                }
                Event::Scalar(_, _, anchor, _) => {
                    map.add(line, &open, anchor, &mut anchors);
                }
                Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => {
                    let id = map.add(line, &open, anchor, &mut anchors);
                    open.push(id);
                    if open.len() > MAX_DEPTH {
                        map.limit = Some((LimitError::Depth, line));
                        break;
                    }
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    open.pop();
                }
                Event::Alias(anchor) => {
                    let id = map.add(line, &open, 0, &mut anchors);
                    map.spans[id].target = anchors.get(&anchor).copied();
                }
                Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
            }
            if map.spans.len() > MAX_NODES {
                map.limit = Some((LimitError::Size, line));
                break;
            }
        }
        map
    }

    fn add(
        &mut self,
        line: usize,
        open: &[SpanId],
        anchor: usize,
        anchors: &mut HashMap<usize, SpanId>,
    ) -> SpanId {
        let id = self.spans.len();
        self.spans.push(SourceSpan {
            line,
            children: Vec::new(),
            target: None,
        });
        if let Some(parent) = open.last() {
            self.spans[*parent].children.push(id);
        }
        if anchor != 0 {
            anchors.insert(anchor, id);
        }
        id
    }

    /// Returns the span of the outermost node.
    pub(super) fn root(&self) -> Option<SpanId> {
        (!self.spans.is_empty()).then_some(0)
    }

    /// Returns the line of the node itself: for an alias, the line of the alias.
    pub(super) fn line(&self, id: SpanId) -> usize {
        self.spans[id].line
    }

    /// Resolves an alias to the span of its anchor. Returns other spans unchanged.
    pub(super) fn anchored(&self, id: SpanId) -> SpanId {
        self.spans[id].target.unwrap_or(id)
    }

    /// Returns the `count` children of a span that is not an alias: fewer if the parser stopped
    /// inside it, and none if the number differs.
    pub(super) fn children(&self, id: SpanId, count: usize) -> &[SpanId] {
        let children = &self.spans[id].children;
        if children.len() == count || (self.incomplete && children.len() < count) {
            children
        } else {
            &[]
        }
    }
}
