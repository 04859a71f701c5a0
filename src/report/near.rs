//! Words that are like one that is not known.

use super::text::one_line;

/// How many names are offered in place of one that is not known.
const OFFERS: usize = 5;
/// The longest word that is compared.
const LONGEST: usize = 64;

/// The `words` that are most like `name`, the nearest first.
pub fn closest<'a>(name: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let words = words.into_iter();
    let mut words: Vec<&str> = words.filter(|word| (1..=LONGEST).contains(&word.len())).collect();
    let name: String = name.chars().take(LONGEST).collect();
    words.sort_by_cached_key(|word| distance(&name, word));
    words.dedup();
    words.truncate(OFFERS);
    one_line(&words.join(", "))
}

/// The one of `words` that was meant by `word`, where no more than a third of its letters is wrong.
pub fn meant<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let slips = |other: &str| distance(&word.to_lowercase(), &other.to_lowercase());
    let near = words.into_iter().map(|other| (slips(other), other)).min_by_key(|(slips, _)| *slips);
    let (slips, other) = near?;
    let length = word.chars().count().min(other.chars().count());
    (slips <= (length / 3).max(1) && slips < length).then_some(other)
}

/// `did you mean X? ` for the begin of a remedy, where one of `words` was meant by `word`, else nothing.
pub fn did_you_mean<'a>(word: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    meant(word, words).map_or_else(String::new, |meant| format!("did you mean {meant}? "))
}

/// How many letters are to be changed, added, left out or swapped to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    strsim::osa_distance(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_words_are_offered_first() {
        assert_eq!(closest("centos7", ["debian_12", "centos_8", "centos_7"]), "centos_7, centos_8, debian_12");
    }

    #[test]
    fn what_was_meant_is_a_slip_away() {
        let commands = ["deploy", "poll", "cancel", "check", "list"];
        for (slip, meant_one) in [("chekc", "check"), ("lst", "list"), ("pol", "poll"), ("CANCEL", "cancel")] {
            assert_eq!(meant(slip, commands), Some(meant_one), "{slip}");
        }
        for strange in ["", "x", "frobnicate", "status"] {
            assert_eq!(meant(strange, commands), None, "{strange}");
        }
        assert_eq!(meant("PLAM", ["PLAN", "TAGS"]), Some("PLAN"));
    }
}
