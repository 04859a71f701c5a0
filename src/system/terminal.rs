//! What the terminal, or whoever else reads what is printed, can show.

use std::io::IsTerminal;
use std::os::fd::BorrowedFd;

use super::environment::Environment;

/// The width of a terminal that does not tell its own, in columns.
const USUAL: usize = 80;

/// How many columns there are to write on: what `COLUMNS` says, else the width of the terminal that `stream` is. `None`:
/// it is none, and whoever reads takes lines of any length.
pub fn width(stream: BorrowedFd<'_>, environment: &Environment) -> Option<usize> {
    let said = environment.look("COLUMNS").and_then(|text| text.trim().parse().ok());
    let said = said.filter(|columns| *columns > 0);
    if said.is_some() || !stream.is_terminal() {
        return said;
    }
    let size = rustix::termios::tcgetwinsize(stream).ok();
    let own = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0);
    Some(own.unwrap_or(USUAL))
}

/// Whether characters beyond ASCII can be read, as the locale says: the first variable of the three that is set (locale(7)).
pub fn has_utf8(environment: &Environment) -> bool {
    let mut locales = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| environment.look(name));
    locales.next().is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn the_first_variable_that_is_set_says_the_locale() {
        let has_utf8 = |variables: &[(&str, &str)]| has_utf8(&environment(variables));
        assert!(has_utf8(&[("LANG", "de_CH.UTF-8")]) && has_utf8(&[("LC_CTYPE", "C.utf8"), ("LANG", "C")]));
        assert!(has_utf8(&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")]));
        assert!(!has_utf8(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]) && !has_utf8(&[]));
        assert!(!has_utf8(&[("LANG", "de_CH.ISO-8859-1")]));
    }

    #[test]
    fn the_variable_columns_says_the_width() {
        let null = std::fs::File::open("/dev/null").unwrap();
        let width = |columns: &str| width(null.as_fd(), &environment(&[("COLUMNS", columns)]));
        assert_eq!(width("40"), Some(40));
        assert_eq!((width("wide"), width("0"), width("-3")), (None, None, None));
    }
}
