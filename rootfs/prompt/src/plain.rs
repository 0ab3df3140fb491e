//! Numbered lines, for terminals that do nothing but print: a number or a text, then Enter.

use std::io;

use zeroize::Zeroize;

use crate::editor::LONGEST_LINE;
use crate::menu::Menu;
use crate::text::{columns, cut, printable, wrap};
use crate::wire::{Size, Wire};
use crate::{Answer, Field, Item, Prompter, Secret, Words};

/// What goes back one step.
const BACK: &str = "<";
/// The same, by its key.
const ESC: u8 = 0x1b;
/// What shows the rest of a long menu.
const MORE: &str = "+";
/// What empties a line that has a text already.
const NOTHING: &str = "-";

/// The plain prompter.
pub struct Plain<W> {
    wire: W,
    words: &'static Words,
    /// Lines since the last pause.
    used: usize,
    /// Whether the page has said how lines are answered.
    hinted: bool,
    /// The last line ended in CR: a LF belongs to it.
    after_return: bool,
}

impl<W: Wire> Plain<W> {
    /// Over a terminal, a file or a pipe.
    pub fn new(wire: W, words: &'static Words) -> Self {
        Self {
            wire,
            words,
            used: 0,
            hinted: false,
            after_return: false,
        }
    }

    fn width(&self) -> usize {
        self.wire.size().unwrap_or(Size::USUAL).columns - 1
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        self.used += 1;
        self.wire.write(&format!("{}\n", line.trim_end()))
    }

    /// Prints a line; asks before one that would push the first off the screen.
    fn print_paged(&mut self, line: &str) -> io::Result<Answer<()>> {
        let full = self
            .wire
            .size()
            .is_some_and(|size| self.used + 2 >= size.rows);
        if full && self.pause()? == Answer::Back {
            return Ok(Answer::Back);
        }
        self.print(line)?;
        Ok(Answer::Given(()))
    }

    /// Asks at the end of a line; the answer without its line end.
    fn ask(&mut self, prompt: &str) -> io::Result<String> {
        self.wire.write(&format!("{} ", printable(prompt)))?;
        let line = self.read_line()?;
        self.used = 0;
        Ok(line)
    }

    /// A line, bounded; the rest of a longer one is dropped.
    fn read_line(&mut self) -> io::Result<String> {
        let mut bytes = Vec::with_capacity(LONGEST_LINE);
        loop {
            match self.wire.byte(None)? {
                Some(b'\n') if std::mem::take(&mut self.after_return) => {}
                Some(end @ (b'\r' | b'\n')) => {
                    self.after_return = end == b'\r';
                    break;
                }
                Some(byte) => {
                    self.after_return = false;
                    if bytes.len() < LONGEST_LINE {
                        bytes.push(byte);
                    }
                }
                None => {}
            }
        }
        // Whoever knows the other kind of terminal presses Esc, and then Enter because nothing happens:
        // that must not be taken for Enter alone, which agrees.
        if !bytes.is_empty() && bytes.iter().all(|byte| *byte == ESC) {
            return Ok(BACK.to_owned());
        }
        // Characters that a console cannot show were typed all the same: only controls go.
        let line = String::from_utf8_lossy(&bytes)
            .chars()
            .filter(|c| !c.is_control())
            .collect();
        bytes.zeroize();
        Ok(line)
    }

    fn print_item(&mut self, menu: &Menu<'_>, number: usize) -> io::Result<Answer<()>> {
        let item = &menu.items()[number];
        let shown = match item.refused {
            None => (number + 1).to_string(),
            Some(_) => NOTHING.to_owned(),
        };
        let mark = menu.mark(number);
        for (at, line) in item.lines.iter().enumerate() {
            let lead = match at {
                0 => format!("{shown:>4}  {mark}"),
                _ => " ".repeat(6 + mark.len()),
            };
            let line = cut(line, self.width() - columns(&lead));
            if self.print_paged(&format!("{lead}{line}"))? == Answer::Back {
                return Ok(Answer::Back);
            }
        }
        Ok(Answer::Given(()))
    }

    /// How many items of a menu are shown at once.
    fn part(&self, items: &[Item]) -> usize {
        let rows = self.wire.size().map_or(usize::MAX, |size| size.rows - 4);
        let highest = items.iter().map(|item| item.lines.len()).max().unwrap_or(1);
        (rows / highest.max(1)).max(1)
    }

    fn say_wrong(&mut self, text: &str) -> io::Result<()> {
        let said = format!("\"{}\" {}", printable(text), self.words.not_a_number);
        self.print(&said)
    }

    fn hint(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.hinted, true) {
            self.print(self.words.line_plain)?;
        }
        Ok(())
    }

    fn line_prompt(&self, field: &Field<'_>) -> String {
        let (label, colon) = (field.label, self.words.colon);
        match (field.initial.is_empty(), field.optional) {
            (true, _) => format!("{label}{colon}"),
            (false, false) => format!("{label} [{}]{colon}", field.initial),
            (false, true) => {
                let clear = self.words.clear_plain;
                format!("{label} [{}] ({clear}){colon}", field.initial)
            }
        }
    }
}

impl<W: Wire> Prompter for Plain<W> {
    fn speak(&mut self, words: &'static Words) {
        self.words = words;
    }

    fn page(&mut self, title: &str) -> io::Result<()> {
        self.hinted = false;
        self.used = 0;
        let title = cut(title, self.width());
        self.print("")?;
        self.print(&title)?;
        self.print(&"-".repeat(columns(&title)))
    }

    fn tell(&mut self, lines: &[String]) -> io::Result<Answer<()>> {
        let width = self.width();
        for line in lines.iter().flat_map(|line| wrap(line, width)) {
            if self.print_paged(&line)? == Answer::Back {
                return Ok(Answer::Back);
            }
        }
        Ok(Answer::Given(()))
    }

    fn pause(&mut self) -> io::Result<Answer<()>> {
        let line = self.ask(self.words.more_plain)?;
        Ok(match line.trim() {
            BACK => Answer::Back,
            _ => Answer::Given(()),
        })
    }

    fn choose(&mut self, items: &[Item], default: usize) -> io::Result<Answer<usize>> {
        let menu = Menu::one(items, default);
        let part = self.part(items);
        let mut shown = 0;
        loop {
            for number in shown..items.len().min(shown + part) {
                if self.print_item(&menu, number)? == Answer::Back {
                    return Ok(Answer::Back);
                }
            }
            shown = items.len().min(shown + part);
            let words = match shown < items.len() {
                true => self.words.choose_plain_more,
                false => self.words.choose_plain,
            };
            loop {
                let answer =
                    self.ask(&format!("{words} [{}]{}", menu.at() + 1, self.words.colon))?;
                let item = match answer.trim() {
                    BACK => return Ok(Answer::Back),
                    MORE if shown < items.len() => break,
                    "" => Some(menu.at()),
                    digits => menu.numbered(digits),
                };
                match item.and_then(|item| Some((item, items.get(item)?))) {
                    None => self.say_wrong(&answer)?,
                    Some((
                        _,
                        Item {
                            refused: Some(reason),
                            ..
                        },
                    )) => self.print(&printable(reason))?,
                    Some((item, _)) => return Ok(Answer::Given(item)),
                }
            }
        }
    }

    fn choose_several(
        &mut self,
        items: &[Item],
        marked: &[usize],
    ) -> io::Result<Answer<Vec<usize>>> {
        let mut marked = marked.to_vec();
        loop {
            let menu = Menu::several(items, &marked);
            for number in 0..items.len() {
                if self.print_item(&menu, number)? == Answer::Back {
                    return Ok(Answer::Back);
                }
            }
            let answer = self.ask(&format!("{}{}", self.words.several_plain, self.words.colon))?;
            if answer.trim() == BACK {
                return Ok(Answer::Back);
            }
            let numbers = answer.split([' ', ',']).filter(|word| !word.is_empty());
            let mut any = false;
            for word in numbers {
                any = true;
                match menu.numbered(word).map(|item| (item, &items[item].refused)) {
                    None => self.say_wrong(word)?,
                    Some((_, Some(reason))) => self.print(&printable(reason))?,
                    Some((item, None)) if marked.contains(&item) => {
                        marked.retain(|other| *other != item);
                    }
                    Some((item, None)) => marked.push(item),
                }
            }
            if !any {
                marked.sort_unstable();
                return Ok(Answer::Given(marked));
            }
        }
    }

    fn line(&mut self, field: &Field<'_>) -> io::Result<Answer<String>> {
        self.hint()?;
        loop {
            let answer = self.ask(&self.line_prompt(field))?;
            let text = match answer.trim() {
                BACK => return Ok(Answer::Back),
                "" => field.initial,
                NOTHING if field.optional && !field.initial.is_empty() => "",
                text => text,
            };
            match judged(field, text, self.words) {
                Ok(text) => return Ok(Answer::Given(text)),
                Err(error) => {
                    for line in wrap(&error, self.width()) {
                        self.print(&line)?;
                    }
                }
            }
        }
    }

    fn secret(&mut self, label: &str) -> io::Result<Answer<Secret>> {
        self.hint()?;
        self.wire.echo(false)?;
        let answer = self.ask(&format!("{label}{}", self.words.colon));
        self.wire.echo(true)?;
        self.wire.write("\n")?;
        let secret = Secret::new(answer?);
        if secret.expose() == BACK {
            return Ok(Answer::Back);
        }
        Ok(Answer::Given(secret))
    }

    fn forget_typed(&mut self) -> io::Result<()> {
        self.wire.forget()
    }
}

/// A line as its field takes it.
pub fn judged(field: &Field<'_>, text: &str, words: &Words) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return match field.optional {
            true => Ok(String::new()),
            false => Err(words.empty.to_owned()),
        };
    }
    (field.check)(text).map(|()| text.to_owned())
}
