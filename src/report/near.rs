//! Words that are like one that is not known.

use super::text::one_line;

/// How many names are offered in place of one that is not known.
const OFFERS: usize = 5;

/// The `words` that are most like `name`, the nearest first.
pub fn closest<'a>(name: &str, words: impl IntoIterator<Item = &'a str>) -> String {
    let words = words.into_iter();
    let mut words: Vec<&str> = words.filter(|word| (1..=64).contains(&word.len())).collect();
    words.sort_by_cached_key(|word| distance(name, word));
    words.dedup();
    words.truncate(OFFERS);
    one_line(&words.join(", "))
}

/// How many letters are to be changed to make one word of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.bytes().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_words_are_offered_first() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(closest("centos7", ["debian_12", "centos_8", "centos_7"]), "centos_7, centos_8, debian_12");
    }
}
