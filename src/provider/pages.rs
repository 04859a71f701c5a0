//! Listings that come in pages: whole, or an error.

use anyhow::{Result, bail};

use super::api::Api;
use super::call::Call;
use crate::http::error::{ApiError, Kind};
use crate::wire::tree::Tree;

/// Pages after which a listing must have ended.
const PAGES: usize = 1000;

impl Api<'_> {
    /// Every item of a listing, page after page: `page` is given the mark of the one to read, as the page before
    /// told it, and tells that of the next one.
    ///
    /// # Errors
    /// Those of `page`; the listing has no end.
    pub fn pages<T>(
        &self,
        mut page: impl FnMut(Option<&str>) -> Result<(Vec<T>, Option<String>), ApiError>,
    ) -> Result<Vec<T>, ApiError> {
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            let (items, following) = page(next.as_deref())?;
            all.extend(items);
            match following {
                None => return Ok(all),
                following => next = following,
            }
        }
        let reason = format!("the listing has no end after {PAGES} pages");
        Err(self.problem(Kind::Ambiguous, reason))
    }

    /// Every item of a listing whose pages have numbers from 1 on, each read with `reading`. `path`: that of a page.
    /// `list` and `total`: where the answer has its items, and how many there are on all pages.
    ///
    /// # Errors
    /// Those of the requests and of `reading`; the listing changed meanwhile.
    pub fn numbered<T>(
        &self,
        path: impl Fn(usize) -> String,
        [list, total]: [&str; 2],
        reading: impl Fn(&Tree) -> Result<T>,
    ) -> Result<Vec<T>, ApiError> {
        let (mut number, mut tally) = (0, Tally::default());
        self.pages(|_| {
            number += 1;
            let path = path(number);
            let shown = path.split('?').next().unwrap_or_default();
            self.read(&Call::get(&path).shown(shown), |answer| {
                let items = answer.list(list)?.map(&reading).collect::<Result<Vec<T>>>()?;
                let has_next = tally.has_next(items.len(), answer.count(total))?;
                Ok((items, has_next.then(String::new)))
            })
        })
    }
}

/// What the pages of a listing have told so far.
#[derive(Default)]
struct Tally {
    items: usize,
    total: Option<Option<u64>>,
}

impl Tally {
    /// Whether a page is to follow this one, which has `items`; `total`: how many it says there are on all of them.
    fn has_next(&mut self, items: usize, total: Option<u64>) -> Result<bool> {
        self.items += items;
        let is_all = total.is_some_and(|total| self.items as u64 >= total);
        // What went meanwhile lets others slip from a page that is to come to one that was read.
        if *self.total.get_or_insert(total) != total || (items == 0 && total.is_some() && !is_all) {
            bail!("the listing changed while it was read");
        }
        Ok(items > 0 && !is_all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_ends_where_its_total_is_reached_or_with_an_empty_page() -> Result<()> {
        let mut counted = Tally::default();
        assert!(counted.has_next(2, Some(3))?);
        assert!(!counted.has_next(1, Some(3))?);
        assert!(!Tally::default().has_next(0, Some(0))?);
        let mut endless = Tally::default();
        assert!(endless.has_next(2, None)?);
        assert!(!endless.has_next(0, None)?);
        Ok(())
    }

    #[test]
    fn a_listing_that_changes_while_it_is_read_is_none() -> Result<()> {
        for (items, total) in [(1, Some(2)), (1, None), (0, Some(3))] {
            let mut tally = Tally::default();
            assert!(tally.has_next(2, Some(3))?);
            assert!(tally.has_next(items, total).is_err(), "{items} {total:?}");
        }
        Ok(())
    }
}
