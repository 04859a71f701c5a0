//! Tabs where libyaml, with which Psych reads, lets only blanks stand: before the first token of a line, and behind an
//! indicator of block style. YAML 1.2 allows some of them.

use granit_parser::{Event, ScalarStyle, Span, StructureStyle};

/// Where the tokens of a document are, as far as tabs depend on it.
#[derive(Default)]
pub(super) struct Tokens {
    /// The first and the last of the lines that begin within a scalar or within brackets.
    inside: Vec<(usize, usize)>,
    /// The lines and columns where plain scalars end.
    plain_ends: Vec<(usize, usize)>,
    /// The lists and mappings that are open: whether in brackets, and on which line they begin.
    open: Vec<(bool, usize)>,
    /// Where the first block scalar is that begins with a tab.
    in_block: Option<(usize, usize)>,
}

impl Tokens {
    /// Takes note of an event of the parser, in their order.
    pub(super) fn note(&mut self, event: &Event<'_>, span: &Span, text: &str) {
        let (first, last) = (span.start.line(), span.end.line());
        match event {
            Event::Scalar(value, ScalarStyle::Literal | ScalarStyle::Folded, ..) => {
                // It ends where the next token begins, if there is one.
                let is_last = span.end.byte_offset() == Some(text.len()) && !text.ends_with(['\n', '\r']);
                self.inside.push((first, if is_last { last } else { last.saturating_sub(1) }));
                if value.starts_with('\t') && !is_indented_by_number(text, span) {
                    self.in_block.get_or_insert((first, span.start.col()));
                }
            }
            Event::Scalar(_, style, ..) => {
                self.inside.push((first + 1, last));
                if *style == ScalarStyle::Plain {
                    self.plain_ends.push((last, span.end.col()));
                }
            }
            Event::SequenceStart(style, ..) | Event::MappingStart(style, ..) => {
                self.open.push((*style == StructureStyle::Flow, first));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some((true, begin)) = self.open.pop() {
                    self.inside.push((begin + 1, last));
                }
            }
            _ => {}
        }
    }

    /// The line and the column, which is counted from 0, of the first tab that libyaml refuses, on the lines up to `end`.
    pub(super) fn first_refused(mut self, text: &str, end: usize) -> Option<(usize, usize)> {
        self.inside.sort_unstable();
        self.plain_ends.sort_unstable();
        let in_front = self.first_in_front(text, end);
        [in_front, self.in_block].into_iter().flatten().min()
    }

    fn first_in_front(&self, text: &str, end: usize) -> Option<(usize, usize)> {
        let (mut inside, mut plain_ends) = (self.inside.iter().peekable(), self.plain_ends.iter().peekable());
        let mut covered = 0;
        // Blanks and the ends of lines are read with a plain scalar before them.
        let mut is_behind_plain = false;
        let text = text.replace("\r\n", "\n");
        for (number, line) in (1..=end).zip(text.split(['\n', '\r'])) {
            while let Some((_, last)) = inside.next_if(|(first, _)| *first <= number) {
                covered = covered.max(*last);
            }
            let words = line.trim_end_matches([' ', '\t']);
            let is_empty = words.is_empty();
            let may_have_one = number <= covered || is_empty || is_behind_plain && is_comment(words);
            match tab_in_front(line) {
                Some(column) if column == 0 && number > covered || !may_have_one => return Some((number, column)),
                _ => {}
            }
            let mut plain_end = None;
            while let Some((_, column)) = plain_ends.next_if(|(last, _)| *last <= number) {
                plain_end = Some(*column);
            }
            is_behind_plain = match plain_end {
                Some(column) => column == words.chars().count(),
                None => is_behind_plain && is_empty,
            };
        }
        None
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start_matches([' ', '\t']).starts_with('#')
}

/// Whether the header of a block scalar says how far it is indented.
fn is_indented_by_number(text: &str, span: &Span) -> bool {
    let before = span.start.byte_offset().and_then(|start| text.get(..start)).unwrap_or_default();
    let header = before.rfind(['|', '>']).and_then(|at| before[at..].lines().next());
    header.is_some_and(|header| header.contains(|c: char| c.is_ascii_digit()))
}

/// The column of the first tab among the blanks and indicators that a line begins with.
fn tab_in_front(line: &str) -> Option<usize> {
    let mut may_be_indicator = true;
    for (column, c) in line.chars().enumerate() {
        match c {
            '\t' => return Some(column),
            ' ' => may_be_indicator = true,
            '-' | '?' | ':' if may_be_indicator => may_be_indicator = false,
            _ => return None,
        }
    }
    None
}
