//! Parses a document into a [`Node`] tree, with the line of each node.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::json::{self, JsonError};
use super::limits::{LimitError, MAX_DEPTH, Usage};
use super::lookahead::Lookahead;
use super::node::{MapEntry, Node, NodeValue};
use super::plain;
use super::syntax::SyntaxError;

/// Receives each item of the outermost list with its index, once it is complete. `None` keeps the
/// items in the tree.
pub(super) type Items<'i, 'f> = Option<&'i mut (dyn FnMut(usize, Node) + 'f)>;

/// A document that has been parsed.
#[derive(Debug)]
pub(crate) enum Document {
    /// The tree. An empty document is [`NodeValue::Null`].
    Node(Node),
    /// A list whose items were passed on.
    List { line: usize },
}

/// Parses one document.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let document = match attempt_json(text, None) {
        Ok(document) => document,
        Err(JsonError::Limit(error)) => return Err(error),
        Err(JsonError::NotJson(line)) => {
            read_yaml(text, None).map_err(|error| error.or_json(line))?
        }
    };
    Ok(match document {
        Document::Node(node) => node,
        // Items without a receiver stay in the tree.
        Document::List { line } => Node {
            line,
            value: NodeValue::List(Box::default()),
        },
    })
}

/// Parses one document. Passes the items of a list to `visit`, with the value that `start` returns;
/// what was collected from a text that turns out to be no JSON is dropped.
pub(crate) fn parse_list<T>(
    text: &str,
    start: impl Fn() -> T,
    visit: impl Fn(&mut T, usize, &Node),
) -> Result<(Document, T), SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut value = start();
    let mut items = |index: usize, node: Node| visit(&mut value, index, &node);
    let document = match attempt_json(text, Some(&mut items)) {
        Ok(document) => document,
        Err(JsonError::Limit(error)) => return Err(error),
        Err(JsonError::NotJson(line)) => {
            value = start();
            let mut items = |index: usize, node: Node| visit(&mut value, index, &node);
            read_yaml(text, Some(&mut items)).map_err(|error| error.or_json(line))?
        }
    };
    Ok((document, value))
}

fn attempt_json(text: &str, items: Items<'_, '_>) -> Result<Document, JsonError> {
    if json::is_likely(text) {
        json::read(text, items)
    } else {
        Err(JsonError::NotJson(None))
    }
}

/// Reads the one document of `text`.
fn read_yaml(text: &str, items: Items<'_, '_>) -> Result<Document, SyntaxError> {
    let lookahead = Lookahead::default();
    let mut parser = Parser::new_from_iter(lookahead.chars(text));
    let mut builder = Builder {
        usage: Usage::of_document(text.len()),
        open: Vec::new(),
        anchors: HashMap::new(),
        items,
        root: None,
    };
    let mut documents = 0;
    while let Some(next) = parser.next_event() {
        if let Some((limit, line)) = lookahead.exceeded() {
            return Err(SyntaxError::limit(limit, line));
        }
        lookahead.reset();
        let (event, span) =
            next.map_err(|error| SyntaxError::from_parser(error.info(), error.marker().line()))?;
        let line = span.start.line();
        match event {
            Event::StreamEnd => break,
            Event::DocumentStart(_) => {
                documents += 1;
                if documents == 2 {
                    return Err(SyntaxError::second_document(line));
                }
            }
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
            event => builder
                .add(event, line)
                .map_err(|limit| SyntaxError::limit(limit, line))?,
        }
    }
    Ok(builder.root.unwrap_or(Document::Node(Node {
        line: 1,
        value: NodeValue::Null,
    })))
}

/// Builds the tree from events.
struct Builder<'i, 'f> {
    usage: Usage,
    open: Vec<Open>,
    /// Complete nodes that aliases may repeat.
    anchors: HashMap<usize, Anchored>,
    items: Items<'i, 'f>,
    root: Option<Document>,
}

/// A list or mapping that has not ended.
struct Open {
    line: usize,
    anchor: usize,
    /// Keys and values so far, this one included.
    size: Size,
    content: Content,
}

enum Content {
    /// The outermost list, whose items are passed on; with their number.
    Passed(usize),
    List(Vec<Node>),
    Map(Vec<MapEntry>, Option<Node>),
}

/// What a node costs if it is repeated.
#[derive(Clone, Copy, Default)]
struct Size {
    nodes: usize,
    text: usize,
    depth: usize,
}

impl Size {
    fn contain(&mut self, child: Self) {
        self.nodes += child.nodes;
        self.text += child.text;
        self.depth = self.depth.max(child.depth + 1);
    }
}

struct Anchored {
    node: Node,
    size: Size,
}

impl Builder<'_, '_> {
    fn add(&mut self, event: Event<'_>, line: usize) -> Result<(), LimitError> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(text, style, tag.as_deref())?;
                let size = Size {
                    nodes: 1,
                    text: match &value {
                        NodeValue::Text(text) => text.len(),
                        _ => 0,
                    },
                    depth: 0,
                };
                self.usage.add(1, size.text)?;
                self.complete(Node { line, value }, size, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                check_collection(tag.as_deref(), "seq")?;
                let content = if self.open.is_empty() && self.items.is_some() {
                    Content::Passed(0)
                } else {
                    Content::List(Vec::new())
                };
                self.open(line, anchor, content)
            }
            Event::MappingStart(anchor, tag) => {
                check_collection(tag.as_deref(), "map")?;
                self.open(line, anchor, Content::Map(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.repeat(anchor, line),
            _ => Ok(()),
        }
    }

    fn open(&mut self, line: usize, anchor: usize, content: Content) -> Result<(), LimitError> {
        self.usage.add(1, 0)?;
        if self.open.len() == MAX_DEPTH {
            return Err(LimitError::Depth);
        }
        self.open.push(Open {
            line,
            anchor,
            size: Size {
                nodes: 1,
                ..Size::default()
            },
            content,
        });
        Ok(())
    }

    fn close(&mut self) -> Result<(), LimitError> {
        let Some(Open {
            line,
            anchor,
            size,
            content,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let value = match content {
            Content::Passed(_) => {
                self.root = Some(Document::List { line });
                return Ok(());
            }
            Content::List(items) => NodeValue::List(items.into()),
            Content::Map(entries, _) => NodeValue::Map(entries.into()),
        };
        self.complete(Node { line, value }, size, anchor)
    }

    /// Repeats the node of an anchor. One that has not ended would repeat itself for ever.
    fn repeat(&mut self, anchor: usize, line: usize) -> Result<(), LimitError> {
        let anchored = self.anchors.get(&anchor).ok_or(LimitError::Depth)?;
        let size = anchored.size;
        self.usage.add(size.nodes, size.text)?;
        if self.open.len() + size.depth > MAX_DEPTH {
            return Err(LimitError::Depth);
        }
        let mut node = anchored.node.clone();
        if matches!(node.value, NodeValue::List(_) | NodeValue::Map(_)) {
            node.line = line;
        }
        self.complete(node, size, 0)
    }

    fn complete(&mut self, node: Node, size: Size, anchor: usize) -> Result<(), LimitError> {
        if anchor != 0 {
            self.usage.add(size.nodes, size.text)?;
            let node = node.clone();
            self.anchors.insert(anchor, Anchored { node, size });
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(Document::Node(node));
            return Ok(());
        };
        parent.size.contain(size);
        match &mut parent.content {
            Content::Passed(items) => {
                let index = *items;
                *items += 1;
                if let Some(visit) = &mut self.items {
                    visit(index, node);
                }
            }
            Content::List(items) => items.push(node),
            Content::Map(entries, key) => match key.take() {
                Some(key) => entries.push(MapEntry::new(key, node)),
                None => *key = Some(node),
            },
        }
        Ok(())
    }
}

/// Returns the value of a scalar. Only plain text, and text with a tag, can be other than text.
fn scalar(
    text: Cow<'_, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<NodeValue, LimitError> {
    let is_plain = matches!(style, ScalarStyle::Plain);
    match tag {
        None if is_plain => Ok(plain::value(text)),
        None => Ok(NodeValue::Text(text.into())),
        Some(tag) if tag.is_yaml_core_schema() => {
            plain::tagged(text, &tag.suffix).ok_or(LimitError::Tag)
        }
        Some(_) => Err(LimitError::Tag),
    }
}

fn check_collection(tag: Option<&Tag>, suffix: &str) -> Result<(), LimitError> {
    let is_known = |tag: &Tag| tag.is_yaml_core_schema() && tag.suffix == suffix;
    if tag.is_none_or(is_known) {
        Ok(())
    } else {
        Err(LimitError::Tag)
    }
}
