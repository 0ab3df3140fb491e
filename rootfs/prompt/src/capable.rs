//! Menus and lines on a terminal that moves its cursor.
//!
//! Escape sequences are few, for the sake of old terminals and slow lines: clear, bold, cursor up,
//! down and right, erase to the end. Moving the marker of a menu rewrites two characters.

use std::io;
use std::time::Duration;

use crate::editor::{Change, Editor};
use crate::keys::{Decoder, ESC_SILENCE, Key};
use crate::menu::{Event, Menu, window};
use crate::plain::judged;
use crate::text::{columns, cut, printable, wrap};
use crate::wire::{Size, Wire};
use crate::{Answer, Field, Item, Prompter, Secret, Words};

const CLEAR: &str = "\x1b[H\x1b[2J";
const BOLD: &str = "\x1b[1m";
const NORMAL: &str = "\x1b[0m";
const ERASE_BELOW: &str = "\x1b[J";
const ERASE_LINE: &str = "\x1b[K";
/// A menu is shown in at least so many lines, what stands above it scrolls away if need be.
const LEAST_MENU: usize = 8;
/// Lines of a menu besides its items: what it has to say, and the prompt.
const MENU_FRAME: usize = 2;

/// The capable prompter.
pub struct Capable<W> {
    wire: W,
    words: &'static Words,
    decoder: Decoder,
    /// How long a lone Esc waits for more bytes.
    silence: Duration,
    /// What the page shows, for drawing it again.
    page: Vec<String>,
    /// Lines since the page was cleared or read through.
    used: usize,
    /// Whether the page has said how lines are answered.
    hinted: bool,
}

/// How a menu is drawn at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Drawn {
    first: usize,
    end: usize,
    at: usize,
}

impl<W: Wire> Capable<W> {
    /// Over a terminal in raw mode.
    pub fn new(wire: W, words: &'static Words) -> Self {
        Self {
            wire,
            words,
            decoder: Decoder::default(),
            silence: ESC_SILENCE,
            page: Vec::new(),
            used: 0,
            hinted: false,
        }
    }

    /// With another wait for the bytes that follow an Esc, on a line that is slower
    /// than any of today.
    #[must_use]
    pub fn with_esc_silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// What carries it; for tests.
    pub fn wire(&self) -> &W {
        &self.wire
    }

    fn size(&self) -> Size {
        self.wire.size().unwrap_or(Size::USUAL)
    }

    /// The last column stays free: terminals differ in what follows a character there.
    fn width(&self) -> usize {
        self.size().columns - 1
    }

    /// The next key.
    fn key(&mut self) -> io::Result<Key> {
        loop {
            let patience = self.decoder.is_waiting().then_some(self.silence);
            let key = match self.wire.byte(patience)? {
                Some(byte) => self.decoder.byte(byte),
                None => self.decoder.silence(),
            };
            match key {
                None => {}
                Some(Key::Interrupt) => return Err(io::ErrorKind::Interrupted.into()),
                Some(key) => return Ok(key),
            }
        }
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        self.used += 1;
        self.page.push(line.to_owned());
        self.wire.write(&format!("{line}\n"))
    }

    /// Draws the page again, as much as fits above `below` lines.
    fn redraw_page(&mut self, below: usize) -> io::Result<()> {
        let rows = self.size().rows.saturating_sub(below).max(1);
        let first = self.page.len().saturating_sub(rows);
        let text = self.page[first..].join("\n");
        self.used = self.page.len() - first;
        self.wire.write(&format!("{CLEAR}{text}\n"))
    }

    fn hint(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.hinted, true) {
            self.print_wrapped(self.words.line)?;
        }
        Ok(())
    }

    fn print_wrapped(&mut self, text: &str) -> io::Result<()> {
        for line in wrap(text, self.width()) {
            self.print(&line)?;
        }
        Ok(())
    }

    // Menus

    fn menu_room(&self, menu: &Menu<'_>) -> usize {
        let all: usize = menu.items().iter().map(|item| item.lines.len()).sum();
        let rows = self.size().rows - 1 - MENU_FRAME;
        let free = rows.saturating_sub(self.used);
        free.max(all.min(LEAST_MENU)).min(rows)
    }

    fn visible(&self, menu: &Menu<'_>, first: usize) -> Drawn {
        let heights: Vec<usize> = menu.items().iter().map(|item| item.lines.len()).collect();
        let (first, end) = window(&heights, menu.at(), first, self.menu_room(menu));
        Drawn {
            first,
            end,
            at: menu.at(),
        }
    }

    fn draw_menu(&mut self, menu: &Menu<'_>, drawn: Drawn, said: &str) -> io::Result<()> {
        let mut text = String::from(ERASE_BELOW);
        for number in drawn.first..drawn.end {
            text += &self.item(menu, number);
        }
        text += &self.frame(menu, drawn, said);
        self.wire.write(&text)
    }

    fn item(&self, menu: &Menu<'_>, number: usize) -> String {
        let item = &menu.items()[number];
        let marker = if number == menu.at() { '>' } else { ' ' };
        let shown = match item.refused {
            None => (number + 1).to_string(),
            Some(_) => "-".to_owned(),
        };
        let mark = menu.mark(number);
        let mut text = String::new();
        for (at, line) in item.lines.iter().enumerate() {
            let lead = match at {
                0 => format!("{marker}{shown:>3}  {mark}"),
                _ => " ".repeat(6 + mark.len()),
            };
            text += &lead;
            text += &cut(line, self.width().saturating_sub(lead.len()));
            text += "\n";
        }
        text
    }

    /// The two lines below the items, from the first column of the upper one.
    fn frame(&self, menu: &Menu<'_>, drawn: Drawn, said: &str) -> String {
        let count = menu.items().len();
        let part = match drawn.end - drawn.first == count {
            true => String::new(),
            false => format!("({}-{}/{count}) ", drawn.first + 1, drawn.end),
        };
        let said = cut(&format!("{part}{said}"), self.width());
        format!("{said}{ERASE_LINE}\n{}", self.menu_prompt(menu))
    }

    fn menu_prompt(&self, menu: &Menu<'_>) -> String {
        let words = match menu.is_of_several() {
            true => self.words.several,
            false => self.words.choose,
        };
        // One line, whatever the width: the way up to the items is counted in lines.
        let typed = menu.typed();
        let words = cut(words, self.width().saturating_sub(columns(typed) + 1));
        format!("{words} {typed}{ERASE_LINE}")
    }

    /// Lines from an item's first to the prompt.
    fn above_prompt(menu: &Menu<'_>, drawn: Drawn, number: usize) -> usize {
        let lines = menu.items()[number..drawn.end].iter();
        lines.map(|item| item.lines.len()).sum::<usize>() + 1
    }

    /// Changes on the screen what a key changed in the menu, from the prompt back to the prompt.
    fn update_menu(&mut self, menu: &Menu<'_>, drawn: Drawn, said: &str) -> io::Result<Drawn> {
        let now = self.visible(menu, drawn.first);
        if (now.first, now.end) != (drawn.first, drawn.end) {
            let up = Self::above_prompt(menu, drawn, drawn.first);
            self.wire.write(&format!("\x1b[{up}A\r"))?;
            self.draw_menu(menu, now, said)?;
            return Ok(now);
        }
        let mut text = String::new();
        if now.at != drawn.at {
            for (number, marker) in [(drawn.at, ' '), (now.at, '>')] {
                let far = Self::above_prompt(menu, drawn, number);
                text += &format!("\x1b[{far}A\r{marker}\x1b[{far}B");
            }
        }
        text += "\x1b[1A\r";
        text += &self.frame(menu, now, said);
        self.wire.write(&text)?;
        Ok(now)
    }

    /// Draws an item's mark anew.
    fn update_mark(&mut self, menu: &Menu<'_>, drawn: Drawn, number: usize) -> io::Result<()> {
        if !(drawn.first..drawn.end).contains(&number) {
            return Ok(());
        }
        let far = Self::above_prompt(menu, drawn, number);
        let mark = menu.mark(number);
        self.wire
            .write(&format!("\x1b[{far}A\r\x1b[6C{mark}\x1b[{far}B"))
    }

    fn run_menu(&mut self, mut menu: Menu<'_>) -> io::Result<Event> {
        let mut drawn = self.visible(&menu, 0);
        self.draw_menu(&menu, drawn, "")?;
        loop {
            let key = self.key()?;
            if key == Key::Redraw {
                self.redraw_page(LEAST_MENU + MENU_FRAME)?;
                drawn = self.visible(&menu, drawn.first);
                self.draw_menu(&menu, drawn, "")?;
                continue;
            }
            let event = menu.key(key, (drawn.end - drawn.first).max(1));
            let said = match &event {
                Event::Nothing => continue,
                Event::Moved => String::new(),
                Event::Marked(number) => {
                    drawn = self.update_menu(&menu, drawn, "")?;
                    self.update_mark(&menu, drawn, *number)?;
                    // The mark's line was left; the prompt ends where its cursor belongs.
                    self.wire.write(&format!("\r{}", self.menu_prompt(&menu)))?;
                    continue;
                }
                Event::Refused(reason) => printable(reason),
                Event::NoSuch(typed) => format!("\"{typed}\" {}", self.words.not_a_number),
                Event::Chosen(_) | Event::Done(_) | Event::Back => {
                    let shown = menu.items()[drawn.first..drawn.end].iter();
                    self.used += shown.map(|item| item.lines.len()).sum::<usize>() + MENU_FRAME;
                    self.wire.write("\n")?;
                    return Ok(event);
                }
            };
            drawn = self.update_menu(&menu, drawn, &said)?;
        }
    }

    // Lines

    /// Lets a line be edited behind a label; none is for going back.
    fn edit(&mut self, label: &str, mut editor: Editor) -> io::Result<Option<Editor>> {
        let label = format!("{}{} ", cut(label, self.width() / 2), self.words.colon);
        let room = self.width() - columns(&label);
        self.draw_line(&label, &editor, room)?;
        loop {
            let key = self.key()?;
            match key {
                Key::Enter | Key::Esc => {
                    self.used += 1;
                    self.wire.write("\n")?;
                    return Ok((key == Key::Enter).then_some(editor));
                }
                Key::Redraw => {
                    self.redraw_page(1)?;
                    self.draw_line(&label, &editor, room)?;
                    continue;
                }
                _ => {}
            }
            match editor.key(key) {
                Change::Nothing => {}
                Change::Appended(shown) if editor.view(room).cursor + 1 < room => {
                    self.wire.write(shown.encode_utf8(&mut [0; 4]))?;
                }
                Change::Shortened if editor.view(room + 1).cursor + 2 < room => {
                    self.wire.write("\x08 \x08")?;
                }
                _ => self.draw_line(&label, &editor, room)?,
            }
        }
    }

    fn draw_line(&mut self, label: &str, editor: &Editor, room: usize) -> io::Result<()> {
        let view = editor.view(room);
        let right = columns(label) + view.cursor;
        let text = &view.text;
        self.wire
            .write(&format!("\r{label}{text}{ERASE_LINE}\r\x1b[{right}C"))
    }
}

impl<W: Wire> Prompter for Capable<W> {
    fn speak(&mut self, words: &'static Words) {
        self.words = words;
    }

    fn page(&mut self, title: &str) -> io::Result<()> {
        let title = cut(title, self.width());
        self.page = vec![format!("{BOLD}{title}{NORMAL}"), String::new()];
        self.hinted = false;
        self.redraw_page(0)
    }

    fn tell(&mut self, lines: &[String]) -> io::Result<Answer<()>> {
        let width = self.width();
        for line in lines.iter().flat_map(|line| wrap(line, width)) {
            if self.used + 2 > self.size().rows && self.pause()? == Answer::Back {
                return Ok(Answer::Back);
            }
            self.print(&line)?;
        }
        Ok(Answer::Given(()))
    }

    fn pause(&mut self) -> io::Result<Answer<()>> {
        let more = cut(self.words.more, self.width());
        self.wire.write(&more)?;
        let answer = loop {
            match self.key()? {
                Key::Enter | Key::Char(' ') | Key::PageDown => break Answer::Given(()),
                Key::Esc => break Answer::Back,
                _ => {}
            }
        };
        self.wire.write(&format!("\r{ERASE_LINE}"))?;
        self.used = 0;
        Ok(answer)
    }

    fn choose(&mut self, items: &[Item], default: usize) -> io::Result<Answer<usize>> {
        match self.run_menu(Menu::one(items, default))? {
            Event::Chosen(item) => Ok(Answer::Given(item)),
            _ => Ok(Answer::Back),
        }
    }

    fn choose_several(
        &mut self,
        items: &[Item],
        marked: &[usize],
    ) -> io::Result<Answer<Vec<usize>>> {
        match self.run_menu(Menu::several(items, marked))? {
            Event::Done(marked) => Ok(Answer::Given(marked)),
            _ => Ok(Answer::Back),
        }
    }

    fn line(&mut self, field: &Field<'_>) -> io::Result<Answer<String>> {
        self.hint()?;
        let mut initial = field.initial.to_owned();
        loop {
            let Some(editor) = self.edit(field.label, Editor::new(&initial))? else {
                return Ok(Answer::Back);
            };
            match judged(field, &editor.text(), self.words) {
                Ok(text) => {
                    let shown = format!("{}{} {text}", field.label, self.words.colon);
                    self.page.push(cut(&shown, self.width()));
                    return Ok(Answer::Given(text));
                }
                Err(error) => {
                    self.print_wrapped(&error)?;
                    initial = if field.mend {
                        editor.text()
                    } else {
                        String::new()
                    };
                }
            }
        }
    }

    fn secret(&mut self, label: &str) -> io::Result<Answer<Secret>> {
        self.hint()?;
        Ok(match self.edit(label, Editor::hidden())? {
            Some(editor) => Answer::Given(Secret::new(editor.text())),
            None => Answer::Back,
        })
    }

    fn forget_typed(&mut self) -> io::Result<()> {
        self.decoder = Decoder::default();
        self.wire.forget()
    }
}
