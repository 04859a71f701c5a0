//! Aligned columns that fit the screen; a colour never says what no word says.

use crate::report::screen::Screen;
use crate::report::text::{columns, printable, shortened_by_words, wrapped};

/// The look of a cell (ANSI "select graphic rendition" codes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// As the terminal has it.
    #[default]
    Plain = 0,
    /// A headline.
    Bold = 1,
    /// As it should be.
    Green = 32,
    /// Worth a look.
    Yellow = 33,
    /// Wrong.
    Red = 31,
}

impl Look {
    /// `text` with this look, if there are colours.
    pub fn paint(self, text: &str, is_coloured: bool) -> String {
        if is_coloured && self != Self::Plain && !text.is_empty() {
            format!("\x1b[{}m{text}\x1b[0m", self as u8)
        } else {
            text.to_owned()
        }
    }
}

/// What is done to a table that is too wide.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Its column of this title is left out.
    Drop(&'static str),
    /// The cells of this column are shortened as far as need be, down to so many columns of the terminal.
    Shorten(&'static str, usize),
}

/// How many columns of a terminal stand between two of the table.
const GAP: usize = 2;
/// How many columns the last cell of a row has at least, before it stands on a line of its own.
const ROOM: usize = 24;

/// Rows of cells.
#[derive(Debug)]
pub struct Table {
    screen: Screen,
    rows: Vec<Vec<(String, Look)>>,
}

impl Table {
    /// One for a reader who can show so much.
    pub fn new(screen: Screen) -> Self {
        Self { screen, rows: Vec::new() }
    }

    /// Adds a row. What cannot be shown is taken out of its cells.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = (T, Look)>) {
        let shown = |text: String| self.screen.shown(&printable(&text)).into_owned();
        self.rows.push(cells.into_iter().map(|(text, look)| (shown(text.into()), look)).collect());
    }

    /// Makes it as narrow as the screen, by `steps` in their order, as far as they are needed. Its first row has the
    /// titles.
    pub fn fit<'a>(&mut self, steps: impl IntoIterator<Item = &'a Step>) {
        let Some(width) = self.screen.width else {
            return;
        };
        for step in steps {
            let excess = self.width().saturating_sub(width);
            let (Step::Drop(title) | Step::Shorten(title, _)) = step;
            let column = self.rows.first().and_then(|head| head.iter().position(|(text, _)| text == title));
            match (step, column) {
                _ if excess == 0 => return,
                (_, None) => {}
                (Step::Drop(_), Some(column)) => {
                    let rows = self.rows.iter_mut().filter(|row| column < row.len());
                    rows.for_each(|row| drop(row.remove(column)));
                }
                (Step::Shorten(_, least), Some(column)) => {
                    let room = self.widths()[column].saturating_sub(excess).max(*least);
                    for (text, _) in self.rows.iter_mut().filter_map(|row| row.get_mut(column)) {
                        *text = shortened_by_words(text, room, self.screen.ellipsis()).into_owned();
                    }
                }
            }
        }
    }

    /// The width of each column.
    fn widths(&self) -> Vec<usize> {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let mut widths = vec![0; count];
        for row in &self.rows {
            for (width, (text, _)) in widths.iter_mut().zip(row) {
                *width = columns(text).max(*width);
            }
        }
        widths
    }

    fn width(&self) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// The rows, with `indent` blanks before them. What does not fit into the last column goes on below.
    pub fn text(&self, indent: usize) -> String {
        let widths = self.widths();
        let before = indent + widths.iter().rev().skip(1).map(|width| width + GAP).sum::<usize>();
        // Where little room is left for the last cell, it stands on a line of its own.
        let is_stacked = self.screen.width.is_some_and(|width| {
            let longest = widths.last().copied().unwrap_or_default();
            before + longest.min(ROOM) > width
        });
        let margin = if is_stacked { indent + 2 * GAP } else { before };
        let mut lines = String::new();
        for row in &self.rows {
            let (cells, last) = match row.split_last() {
                Some((last, cells)) if row.len() == widths.len() => (cells, Some(last)),
                _ => (&row[..], None),
            };
            let last = last.map_or_else(Vec::new, |last| self.below(last, margin));
            let mut line = " ".repeat(indent);
            for ((text, look), width) in cells.iter().zip(&widths) {
                line.push_str(&look.paint(text, self.screen.has_colours));
                line.push_str(&" ".repeat(width - columns(text) + GAP));
            }
            let mut last = last.into_iter();
            if !is_stacked {
                line.extend(last.next());
            }
            let blank = " ".repeat(margin);
            let rest = last.filter(|text| !text.is_empty()).map(|text| format!("{blank}{text}"));
            for line in [line].into_iter().chain(rest) {
                let line = line.trim_end();
                if !(is_stacked && line.is_empty()) {
                    lines.push_str(line);
                    lines.push('\n');
                }
            }
        }
        lines
    }

    /// The last cell of a row, in lines that have so many columns before them.
    fn below(&self, (text, look): &(String, Look), margin: usize) -> Vec<String> {
        let lines = match self.screen.width {
            Some(width) => wrapped(text, width.saturating_sub(margin)),
            None => vec![text.clone()],
        };
        lines.iter().map(|line| look.paint(line, self.screen.has_colours)).collect()
    }

    /// The rows as comma-separated values (RFC 4180), a line each.
    pub fn csv(&self) -> String {
        let is_plain = |text: &str| !text.contains([',', '"']);
        let quoted = |text: &String| match is_plain(text) {
            true => text.clone(),
            false => format!("\"{}\"", text.replace('"', "\"\"")),
        };
        let line = |row: &Vec<(String, Look)>| {
            let cells: Vec<String> = row.iter().map(|(text, _)| quoted(text)).collect();
            cells.join(",") + "\n"
        };
        self.rows.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: usize) -> Screen {
        Screen { width: Some(width), has_utf8: true, ..Screen::default() }
    }

    /// A table of plain cells.
    fn table(screen: Screen, rows: &[&[&str]]) -> Table {
        let mut table = Table::new(screen);
        rows.iter().for_each(|row| table.row(row.iter().map(|cell| (*cell, Look::Plain))));
        table
    }

    #[test]
    fn columns_are_aligned_with_and_without_colours() {
        let rows = |screen| {
            let mut table = Table::new(screen);
            table.row([("ID", Look::Bold), ("STATE", Look::Bold)]);
            table.row([("é1", Look::Plain), ("active", Look::Green)]);
            table.row([("longer\n", Look::Plain), ("", Look::Red)]);
            table
        };
        let plain = Screen { has_utf8: true, ..Screen::default() };
        assert_eq!(rows(plain).text(1), " ID      STATE\n é1      active\n longer\n");
        let coloured = rows(Screen { has_colours: true, ..plain }).text(0);
        assert!(coloured.contains("é1      \x1b[32mactive\x1b[0m\n"), "{coloured:?}");
    }

    #[test]
    fn wide_characters_align_and_without_utf8_there_are_none() {
        let rows: [&[&str]; 2] = [&["\u{4e3b}\u{673a}", "a"], &["node", "b"]];
        assert_eq!(table(screen(80), &rows).text(0), "\u{4e3b}\u{673a}  a\nnode  b\n");
        let plain = table(Screen::default(), &rows).text(0);
        assert_eq!(plain, "\\u{4e3b}\\u{673a}  a\nnode              b\n");
    }

    #[test]
    fn what_is_too_wide_loses_columns_in_the_order_that_is_given() {
        let rows: [&[&str]; 2] = [&["ID", "NAME", "PLACE"], &["0a1b", "provision-1", "ams1"]];
        let steps = [Step::Shorten("NAME", 9), Step::Drop("PLACE"), Step::Drop("NONE"), Step::Shorten("NAME", 4)];
        let fitted = |width| {
            let mut table = table(screen(width), &rows);
            table.fit(&steps);
            table.text(0).lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(fitted(24), "0a1b  provision-1  ams1");
        assert_eq!(fitted(23), "0a1b  provision\u{2026}  ams1");
        assert_eq!(fitted(21), "0a1b  provisio\u{2026}");
        assert_eq!(fitted(11), "0a1b  prov\u{2026}");
    }

    #[test]
    fn the_last_cell_goes_on_below_and_where_little_room_is_left_on_a_line_of_its_own() {
        let rows: [&[&str]; 2] = [&["WRONG", "plan", "the provider knows no such plan"], &["", "", "-> see its site"]];
        let wide = "WRONG  plan  the provider knows no such\n             plan\n             -> see its site\n";
        assert_eq!(table(screen(40), &rows).text(0), wide);
        let narrow = "WRONG  plan\n    the provider knows no\n    such plan\n    -> see its site\n";
        assert_eq!(table(screen(26), &rows).text(0), narrow);
    }

    #[test]
    fn csv_has_a_line_for_each_row() {
        let rows: [&[&str]; 2] = [&["ID", "MARK"], &["1", "ORPHAN: \"billed\", no host"]];
        assert_eq!(table(Screen::default(), &rows).csv(), "ID,MARK\n1,\"ORPHAN: \"\"billed\"\", no host\"\n");
    }
}
