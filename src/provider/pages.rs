//! Listings that come in pages: whole, or an error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Builder, Scope};

use anyhow::{Result, bail};

use super::api::Api;
use super::call::Call;
use super::spec::Format;
use crate::http::client::Answer;
use crate::http::error::{ApiError, Kind};
use crate::wire::tree::Tree;

/// Pages after which a listing must have ended.
const PAGES: usize = 1000;
/// How many pages are asked for at once.
const LANES: usize = 4;

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
        let begin = self.aborts();
        let mut all = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..PAGES {
            let (items, following) = page(next.as_deref())?;
            all.extend(items);
            match following {
                None => return Ok(all),
                following => next = following,
            }
            self.rest(begin, &AtomicBool::new(false))?;
        }
        Err(self.endless())
    }

    /// Every item of a listing whose pages have numbers from 1 on, each read with `reading`. `path`: that of a page.
    ///
    /// The first page tells how many there are. The others are asked for side by side, and one after another, with rests,
    /// where little is left of the provider's rate limit, or it has answered that it is asked too often.
    ///
    /// # Errors
    /// Those of the requests and of `reading`; the listing changed meanwhile, or has no end.
    pub fn numbered<T>(
        &self,
        path: impl Fn(usize) -> String + Sync,
        listing: &Listing,
        reading: impl Fn(&Tree) -> Result<T>,
    ) -> Result<Vec<T>, ApiError> {
        let (mut all, mut tally) = (Vec::new(), Tally::default());
        let mut take = |number: usize, answer: &Answer| {
            let read = self.items(answer, listing.items, &reading).and_then(|(items, rest)| {
                let has_next = listing.next.map(|next| !rest.at(next).is_null());
                let page = Page { items: items.len(), total: rest.count(listing.total), has_next };
                all.extend(items);
                Ok(tally.has_next(&page)?.then(|| page.pages()))
            });
            read.map_err(|error| self.unreadable(&Call::get(&path(number)), answer, &error))
        };
        let fetch = |number: usize| self.exchange(&Call::get(&path(number)));
        let Some(expected) = take(1, &fetch(1)?)? else {
            return Ok(all);
        };
        let (begin, turn, is_over) = (self.aborts(), Mutex::new(()), AtomicBool::new(false));
        let fetch = |number: usize| {
            let turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.rest(begin, &is_over)?;
            // Kept until the answer is there, where that may tell of a rest.
            let _turn = Some(turn).filter(|_| self.is_limited());
            fetch(number)
        };
        let is_whole = thread::scope(|scope| {
            let lanes = side_by_side(scope, expected, LANES.min(expected - 1), &fetch);
            let page = |number: usize| {
                let lane = lanes.get((number - 2) % lanes.len().max(1));
                let fetched = lane.and_then(|lane| lane.recv().ok());
                Ok(take(number, &fetched.unwrap_or_else(|| fetch(number))?)?.is_none())
            };
            let ends = (2..=PAGES).map(page).find(|ends| !matches!(ends, Ok(false)));
            is_over.store(true, Ordering::Relaxed);
            if matches!(ends, Some(Err(_))) {
                self.end_requests();
            }
            ends.unwrap_or(Ok(false))
        })?;
        if is_whole { Ok(all) } else { Err(self.endless()) }
    }

    /// The items of the list `list` in an answer, each read with `reading` on its own, and what else is in it.
    fn items<'b, T>(
        &self,
        answer: &'b Answer,
        list: &str,
        reading: impl Fn(&Tree) -> Result<T>,
    ) -> Result<(Vec<T>, Tree<'b>)> {
        let mut items = Vec::new();
        let rest = match self.format() {
            Format::Json => Tree::json_by_item(&answer.body, list, |item| {
                items.push(reading(item)?);
                Ok(())
            })?,
            Format::Xml => Tree::xml(&answer.body)?,
        };
        for item in rest.list(list)? {
            items.push(reading(item)?);
        }
        Ok((items, rest))
    }

    fn endless(&self) -> ApiError {
        self.problem(Kind::Ambiguous, format!("the listing has no end after {PAGES} pages"))
    }
}

/// Where the pages of a listing say what is on them.
pub struct Listing {
    /// Its items.
    pub items: &'static str,
    /// How many there are on all pages.
    pub total: &'static str,
    /// What is null on the last page, if anything is. Else a listing ends where its total is reached, and one without a
    /// total with an empty page.
    pub next: Option<&'static str>,
}

/// What a page of a listing tells of it.
struct Page {
    /// How many items are on it.
    items: usize,
    total: Option<u64>,
    has_next: Option<bool>,
}

impl Page {
    /// How many pages there are, as the first one tells; 1 where it does not.
    fn pages(&self) -> usize {
        let total = self.total.unwrap_or_default();
        let pages = total.checked_div(self.items as u64).unwrap_or_default();
        let pages = pages + u64::from(!total.is_multiple_of((self.items as u64).max(1)));
        usize::try_from(pages).map_or(PAGES, |pages| pages.clamp(1, PAGES))
    }
}

/// Lets so many lanes fetch the pages from the second to the `last` one: each what is left by the others, in turns. A lane
/// is at most two pages ahead of whoever takes them; it ends with the first failure, and when nobody takes more.
fn side_by_side<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    last: usize,
    lanes: usize,
    fetch: &'scope (dyn Fn(usize) -> Result<T, ApiError> + Sync),
) -> Vec<Receiver<Result<T, ApiError>>> {
    let lane = |first: usize| {
        let (sender, receiver) = sync_channel(1);
        let run = move || {
            for number in (first..=last).step_by(lanes) {
                let fetched = fetch(number);
                let is_last = fetched.is_err();
                if sender.send(fetched).is_err() || is_last {
                    break;
                }
            }
        };
        // Where the system has no thread left, nothing comes from this lane.
        drop(Builder::new().spawn_scoped(scope, run));
        receiver
    };
    (0..lanes).map(|number| lane(2 + number)).collect()
}

/// What the pages of a listing have told so far.
#[derive(Default)]
struct Tally {
    items: usize,
    total: Option<Option<u64>>,
}

impl Tally {
    /// Whether a page is to follow this one.
    fn has_next(&mut self, page: &Page) -> Result<bool> {
        self.items += page.items;
        // What went meanwhile lets others slip from a page that is to come to one that was read.
        let is_changed = *self.total.get_or_insert(page.total) != page.total;
        let is_all = page.total.is_some_and(|total| self.items as u64 >= total);
        if is_changed || (page.items == 0 && page.total.is_some() && !is_all) {
            bail!("the listing changed while it was read");
        }
        Ok(page.items > 0 && page.has_next.unwrap_or(!is_all))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use super::*;

    fn page(items: usize, total: Option<u64>, has_next: Option<bool>) -> Page {
        Page { items, total, has_next }
    }

    #[test]
    fn a_listing_ends_where_its_total_is_reached_or_with_an_empty_page() -> Result<()> {
        let mut counted = Tally::default();
        assert!(counted.has_next(&page(2, Some(3), None))?);
        assert!(!counted.has_next(&page(1, Some(3), None))?);
        assert!(!Tally::default().has_next(&page(0, Some(0), None))?);
        let mut endless = Tally::default();
        assert!(endless.has_next(&page(2, None, None))?);
        assert!(!endless.has_next(&page(0, None, None))?);
        Ok(())
    }

    #[test]
    fn where_pages_tell_whether_there_is_a_next_one_that_counts() -> Result<()> {
        let mut tally = Tally::default();
        assert!(tally.has_next(&page(2, None, Some(true)))?);
        assert!(!tally.has_next(&page(2, None, Some(false)))?);
        assert!(!Tally::default().has_next(&page(0, None, Some(true)))?);
        Ok(())
    }

    #[test]
    fn a_listing_that_changes_while_it_is_read_is_none() -> Result<()> {
        for (length, total, has_next) in
            [(1, Some(2), None), (1, None, None), (0, Some(3), None), (1, Some(4), Some(false))]
        {
            let mut tally = Tally::default();
            assert!(tally.has_next(&page(2, Some(3), has_next.map(|_| true)))?);
            assert!(tally.has_next(&page(length, total, has_next)).is_err(), "{length} {total:?}");
        }
        Ok(())
    }

    #[test]
    fn the_first_page_tells_how_many_there_are() {
        for (length, total, has_next, pages) in [
            (100, Some(10_000), Some(true), 100),
            (100, Some(101), None, 2),
            (100, Some(100), None, 1),
            (100, None, Some(true), 1),
            (0, Some(500), None, 1),
            (1, Some(u64::MAX), None, PAGES),
        ] {
            assert_eq!(page(length, total, has_next).pages(), pages, "{length} {total:?} {has_next:?}");
        }
    }

    /// What comes of the pages up to `last`, in their order, until the first failure.
    fn taken(last: usize, fetch: impl Fn(usize) -> Result<usize, ApiError> + Sync) -> Vec<Option<usize>> {
        thread::scope(|scope| {
            let lanes = side_by_side(scope, last, LANES, &fetch);
            let mut taken = Vec::new();
            for number in 2..=last {
                taken.push(lanes[(number - 2) % LANES].recv().unwrap().ok());
                if taken.last() == Some(&None) {
                    break;
                }
            }
            taken
        })
    }

    #[test]
    fn pages_come_side_by_side_and_in_their_order() {
        let (at_work, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let taken = taken(20, |number| {
            most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(if number == 2 { 60 } else { 20 }));
            at_work.fetch_sub(1, Ordering::SeqCst);
            Ok(number)
        });
        assert_eq!(taken, (2..=20).map(Some).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), LANES);
    }

    #[test]
    fn after_a_failure_hardly_more_is_asked_for() {
        let asked = AtomicUsize::new(0);
        let taken = taken(900, |number| {
            asked.fetch_add(1, Ordering::SeqCst);
            if number == 5 { Err(ApiError::bare(Kind::Rejected)) } else { Ok(number) }
        });
        assert_eq!(taken, [Some(2), Some(3), Some(4), None]);
        assert!(asked.into_inner() < 5 + 3 * LANES);
    }
}
