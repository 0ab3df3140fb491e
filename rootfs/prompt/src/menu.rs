//! Keys → a choice. Pure: it knows the marker, the digits typed so far, and the marks.

use crate::Item;
use crate::keys::Key;
use crate::text::shown;

/// More digits are no number of any menu.
const MOST_DIGITS: usize = 4;

/// A menu that is being chosen from.
#[derive(Debug)]
pub struct Menu<'a> {
    items: &'a [Item],
    at: usize,
    typed: String,
    /// What is marked, where several can be.
    marks: Option<Vec<bool>>,
}

/// What a key came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing changed.
    Nothing,
    /// Marker or digits changed.
    Moved,
    /// The mark of this item changed.
    Marked(usize),
    /// This cannot be chosen: the reason.
    Refused(String),
    /// There is no item of this number.
    NoSuch(String),
    /// This one was chosen.
    Chosen(usize),
    /// These were marked in the end.
    Done(Vec<usize>),
    /// Back one step.
    Back,
}

impl<'a> Menu<'a> {
    /// A menu of which one item is chosen; the marker begins at `default`.
    pub fn one(items: &'a [Item], default: usize) -> Self {
        Self {
            items,
            at: default.min(items.len().saturating_sub(1)),
            typed: String::new(),
            marks: None,
        }
    }

    /// A menu of which any number can be marked.
    pub fn several(items: &'a [Item], marked: &[usize]) -> Self {
        let marks = (0..items.len()).map(|item| marked.contains(&item));
        Self {
            marks: Some(marks.collect()),
            ..Self::one(items, 0)
        }
    }

    /// The items.
    pub fn items(&self) -> &'a [Item] {
        self.items
    }

    /// The item at the marker.
    pub fn at(&self) -> usize {
        self.at
    }

    /// The digits typed so far.
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// What stands before an item: a mark where several can be chosen.
    pub fn mark(&self, item: usize) -> &'static str {
        let Some(marks) = &self.marks else { return "" };
        let refused = self
            .items
            .get(item)
            .is_some_and(|item| item.refused.is_some());
        match marks.get(item) {
            _ if refused => "    ",
            Some(true) => "[x] ",
            _ => "[ ] ",
        }
    }

    /// Whether several can be chosen.
    pub fn is_of_several(&self) -> bool {
        self.marks.is_some()
    }

    /// A key; `page` is how many items Page Up and Page Down move by.
    pub fn key(&mut self, key: Key, page: usize) -> Event {
        match key {
            Key::Up => self.go(self.at.saturating_sub(1)),
            Key::Down => self.go(self.at + 1),
            Key::PageUp => self.go(self.at.saturating_sub(page)),
            Key::PageDown => self.go(self.at + page),
            Key::Home => self.go(0),
            Key::End => self.go(usize::MAX),
            Key::Backspace => {
                self.typed.pop();
                self.follow()
            }
            Key::Clear => {
                self.typed.clear();
                Event::Moved
            }
            Key::Char(' ' | ',') if self.marks.is_some() => self.toggle(),
            // What is no digit is shown too, and refused at the end: whoever types a word and Enter
            // does not mean the default.
            Key::Char(typed) if self.typed.chars().count() < MOST_DIGITS => {
                self.typed.push(shown(typed));
                self.follow()
            }
            Key::Enter if self.marks.is_some() && self.typed.is_empty() => self.done(),
            Key::Enter if self.marks.is_some() => self.toggle(),
            Key::Enter => self.choose(),
            Key::Esc => Event::Back,
            _ => Event::Nothing,
        }
    }

    /// The item of a typed number.
    pub fn numbered(&self, digits: &str) -> Option<usize> {
        let number: usize = digits.parse().ok()?;
        number.checked_sub(1).filter(|at| *at < self.items.len())
    }

    fn go(&mut self, to: usize) -> Event {
        let to = to.min(self.items.len().saturating_sub(1));
        if to == self.at && self.typed.is_empty() {
            return Event::Nothing;
        }
        self.typed.clear();
        self.at = to;
        Event::Moved
    }

    /// The marker follows the digits.
    fn follow(&mut self) -> Event {
        self.at = self.numbered(&self.typed).unwrap_or(self.at);
        Event::Moved
    }

    /// The item that Enter or Space means: that of the digits, else that at the marker.
    fn meant(&mut self) -> Result<usize, Event> {
        let typed = std::mem::take(&mut self.typed);
        let item = if typed.is_empty() {
            Some(self.at).filter(|at| *at < self.items.len())
        } else {
            self.numbered(&typed)
        };
        let item = item.ok_or(Event::NoSuch(typed))?;
        self.at = item;
        match &self.items[item].refused {
            Some(reason) => Err(Event::Refused(reason.clone())),
            None => Ok(item),
        }
    }

    fn choose(&mut self) -> Event {
        self.meant().map_or_else(|event| event, Event::Chosen)
    }

    fn toggle(&mut self) -> Event {
        let item = match self.meant() {
            Ok(item) => item,
            Err(event) => return event,
        };
        if let Some(mark) = self.marks.as_mut().and_then(|marks| marks.get_mut(item)) {
            *mark = !*mark;
        }
        Event::Marked(item)
    }

    fn done(&self) -> Event {
        let marks = self.marks.iter().flatten().enumerate();
        Event::Done(
            marks
                .filter(|(_, mark)| **mark)
                .map(|(item, _)| item)
                .collect(),
        )
    }
}

/// The items that a window shows: the first, and one past the last. `heights` are the items' lines.
///
/// The window stays where it is while the marker is inside; else it moves so that the marker has
/// half a window before it, because drawing is slow on a serial line.
pub fn window(heights: &[usize], at: usize, first: usize, room: usize) -> (usize, usize) {
    let end_of = |first: usize| {
        let mut left = room;
        let fits = heights[first..].iter().take_while(|height| {
            let fits = **height <= left;
            left = left.saturating_sub(**height);
            fits
        });
        // An item that is higher than the window is shown all the same.
        (first + fits.count()).max(first + 1).min(heights.len())
    };
    let first = first.min(heights.len().saturating_sub(1));
    if (first..end_of(first)).contains(&at) || heights.is_empty() {
        return (first, end_of(first).min(heights.len()));
    }
    let mut before = 0;
    let mut start = at;
    let most = (room / 2).min(room.saturating_sub(heights[at]));
    while start > 0 && before + heights[start - 1] <= most {
        start -= 1;
        before += heights[start];
    }
    // No empty lines at the end while there are items before the window.
    while start > 0 && heights[start - 1..].iter().sum::<usize>() <= room {
        start -= 1;
    }
    (start, end_of(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};

    use super::*;

    fn items(count: usize) -> Vec<Item> {
        let mut items: Vec<Item> = (1..=count).map(|n| Item::new(n.to_string())).collect();
        if let Some(second) = items.get_mut(1) {
            second.refused = Some("in use".to_owned());
        }
        items
    }

    fn last(menu: &mut Menu<'_>, keys: &[Key]) -> Event {
        let events = keys.iter().map(|key| menu.key(*key, 5));
        events.last().unwrap()
    }

    #[test]
    fn choosing_one() {
        use Key::{Backspace, Char, Down, End, Enter, Esc, Home, PageDown, Up};
        let items = items(12);
        for (keys, expected) in [
            (vec![Enter], Event::Chosen(2)),
            (vec![Down, Enter], Event::Chosen(3)),
            (vec![Up, Enter], Event::Refused("in use".to_owned())),
            (vec![Char('1'), Char('2'), Enter], Event::Chosen(11)),
            (vec![Char('1'), Enter], Event::Chosen(0)),
            (
                vec![Char('1'), Char('3'), Enter],
                Event::NoSuch("13".to_owned()),
            ),
            (
                vec![Char('1'), Char('3'), Backspace, Enter],
                Event::Chosen(0),
            ),
            (vec![Char('0'), Enter], Event::NoSuch("0".to_owned())),
            (vec![Char('9'), Up, Enter], Event::Chosen(7)),
            (vec![Home, Enter], Event::Chosen(0)),
            (vec![End, Down, Enter], Event::Chosen(11)),
            (vec![PageDown, Enter], Event::Chosen(7)),
            (vec![Char('x'), Enter], Event::NoSuch("x".to_owned())),
            (
                vec![Char('1'), Char('é'), Enter],
                Event::NoSuch("1é".to_owned()),
            ),
            (vec![Esc], Event::Back),
        ] {
            assert_eq!(last(&mut Menu::one(&items, 2), &keys), expected, "{keys:?}");
        }
        assert_eq!(
            last(&mut Menu::one(&[], 0), &[Enter]),
            Event::NoSuch(String::new())
        );
    }

    #[test]
    fn marking_several() {
        use Key::{Char, Down, Enter};
        let items = items(4);
        let done = |keys: &[Key]| last(&mut Menu::several(&items, &[3]), keys);
        assert_eq!(done(&[Enter]), Event::Done(vec![3]));
        assert_eq!(done(&[Char(' '), Enter]), Event::Done(vec![0, 3]));
        assert_eq!(
            done(&[Char('4'), Enter, Char('3'), Char(' '), Enter]),
            Event::Done(vec![2])
        );
        assert_eq!(
            done(&[Down, Char(' ')]),
            Event::Refused("in use".to_owned())
        );
    }

    proptest! {
        #[test]
        fn the_window_holds_the_marker(
            heights in prop::collection::vec(1usize..4, 1..60),
            at in 0usize..60,
            first in 0usize..60,
            room in 4usize..30,
        ) {
            let at = at.min(heights.len() - 1);
            let (start, end) = window(&heights, at, first, room);
            assert!((start..end).contains(&at), "{start}..{end}");
            assert!(heights[start..end].iter().sum::<usize>() <= room);
        }
    }
}
