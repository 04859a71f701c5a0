//! The columns of the list: which there are, and which are left out where they do not fit.

use std::time::SystemTime;

use anyhow::{Result, bail};

use super::line::Line;
use super::mark::Mark;
use crate::report::near::did_you_mean;
use crate::report::screen::Screen;
use crate::report::table::{Look, Step, Table};
use crate::wire::time;

/// A column: its title, and what it says of a line.
struct Column {
    title: &'static str,
    cell: fn(&Line) -> Option<String>,
}

const DRIVER: &str = "DRIVER";
const MARK: &str = "MARK";

/// All columns, in their order.
const COLUMNS: [Column; 10] = [
    Column { title: "ID", cell: |line| Some(line.id.to_string()) },
    Column { title: DRIVER, cell: |line| Some(line.provider.to_owned()) },
    Column { title: "HOST", cell: |line| line.host_id.clone() },
    Column { title: "NAME", cell: |line| line.host_name.clone() },
    Column { title: "STATE", cell: state },
    Column { title: "PLAN", cell: |line| line.plan.clone() },
    Column { title: "PLACE", cell: |line| line.place.clone() },
    Column { title: "ADDRESS", cell: |line| line.address.clone() },
    Column { title: "AGE", cell: |line| Some(time::age(line.created?, SystemTime::now())) },
    Column { title: MARK, cell: |line| Some(line.mark.words().to_owned()) },
];

/// What is done to a list that is too wide. The id is what a command needs, and the mark what a list is looked at for.
const STEPS: [Step; 16] = [
    // The random name of a host that was never polled is long, and says nothing.
    Step::Shorten("NAME", 20),
    Step::Drop("PLACE"),
    Step::Shorten(MARK, 20),
    Step::Drop("PLAN"),
    Step::Drop("ADDRESS"),
    Step::Drop("AGE"),
    Step::Shorten("NAME", 8),
    Step::Shorten(MARK, 8),
    Step::Drop("STATE"),
    Step::Drop("NAME"),
    Step::Drop(DRIVER),
    Step::Shorten("ID", 8),
    Step::Drop("HOST"),
    // Of those that somebody named, and that are not left out.
    Step::Shorten("PLAN", 6),
    Step::Shorten("ADDRESS", 7),
    Step::Shorten("STATE", 6),
];

fn state(line: &Line) -> Option<String> {
    match line.mark {
        Mark::Unseen => Some("unknown".to_owned()),
        _ => line.state.clone(),
    }
}

/// Which columns are shown.
pub(super) struct Choice {
    columns: Vec<&'static Column>,
    /// Whether somebody named them: then none is left out.
    is_named: bool,
}

/// The columns that are shown of `lines` where nobody says which: the driver only where there are several.
pub(super) fn usual(lines: &[Line]) -> Choice {
    let has_several = lines.windows(2).any(|pair| pair[0].provider != pair[1].provider);
    let columns = COLUMNS.iter().filter(|one| one.title != DRIVER || has_several).collect();
    Choice { columns, is_named: false }
}

/// The columns that `text` names, with commas between them.
///
/// # Errors
/// One of them is not known.
pub(super) fn named(text: &str) -> Result<Choice> {
    let titles = || COLUMNS.iter().map(|one| one.title);
    let column = |name: &str| {
        let known = COLUMNS.iter().find(|one| one.title.eq_ignore_ascii_case(name));
        match known {
            Some(column) => Ok(column),
            None => bail!(
                "there is no column {name:?}: {}give some of {}, with commas between them",
                did_you_mean(name, titles()),
                titles().collect::<Vec<_>>().join(",")
            ),
        }
    };
    let columns = text.split(',').map(str::trim).map(column).collect::<Result<_>>()?;
    Ok(Choice { columns, is_named: true })
}

/// `lines` in these columns.
pub(super) fn table(lines: &[Line], choice: &Choice, screen: Screen) -> Table {
    let columns = &choice.columns;
    let mut table = Table::new(screen);
    table.row(columns.iter().map(|one| (one.title, Look::Bold)));
    for line in lines {
        table.row(columns.iter().map(|one| {
            let look = if one.title == MARK { look(line.mark) } else { Look::Plain };
            ((one.cell)(line).unwrap_or_else(|| "-".to_owned()), look)
        }));
    }
    let is_taken = |step: &&Step| !choice.is_named || matches!(step, Step::Shorten(..));
    table.fit(STEPS.iter().filter(is_taken));
    table
}

fn look(mark: Mark) -> Look {
    match mark {
        mark if mark.is_orphan() => Look::Red,
        Mark::None => Look::Plain,
        _ => Look::Yellow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_as_their_titles() {
        let named = |text| named(text).map(|choice| choice.columns.iter().map(|one| one.title).collect::<Vec<_>>());
        assert_eq!(named("mark, ID").unwrap(), ["MARK", "ID"]);
        let refused = named("ID,NAEM").unwrap_err().to_string();
        assert!(refused.starts_with("there is no column \"NAEM\": did you mean NAME? give some of ID,"), "{refused}");
        assert!(named("").is_err());
    }
}
