//! Aligned columns, coloured only on a terminal; a colour never says what no word says.

use crate::report::text::printable;

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

/// Rows of cells.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<(String, Look)>>,
}

impl Table {
    /// Adds a row. What cannot be printed is taken out of its cells.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = (T, Look)>) {
        let cells = cells.into_iter().map(|(text, look)| (printable(&text.into()), look));
        self.rows.push(cells.collect());
    }

    /// The rows, a line each, with `indent` blanks before them and two between columns.
    pub fn text(&self, indent: usize, is_coloured: bool) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            let widths = cells.map(|(text, _)| text.chars().count());
            widths.max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut lines = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            let last = row.iter().rposition(|(text, _)| !text.is_empty());
            for (column, (text, look)) in row.iter().enumerate() {
                if Some(column) > last {
                    break;
                }
                line.push_str(&look.paint(text, is_coloured));
                if Some(column) != last {
                    let pad = widths[column] - text.chars().count() + 2;
                    line.push_str(&" ".repeat(pad));
                }
            }
            lines.push_str(&line);
            lines.push('\n');
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_with_and_without_colours() {
        let mut table = Table::default();
        table.row([("ID", Look::Bold), ("STATE", Look::Bold)]);
        table.row([("é1", Look::Plain), ("active", Look::Green)]);
        table.row([("longer\n", Look::Plain), ("", Look::Red)]);
        assert_eq!(table.text(1, false), " ID      STATE\n é1      active\n longer\n");
        let coloured = table.text(0, true);
        assert!(coloured.contains("é1      \x1b[32mactive\x1b[0m\n"), "{coloured:?}");
    }
}
