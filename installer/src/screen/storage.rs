//! The steps of the disks.

use std::io;

use vigie_disk::md::Level;
use vigie_prompt::text::wrap;
use vigie_prompt::{Answer, Item};

use super::draft::{Draft, Task, disk, elsewhere, new_group};
use super::flow::Step;
use super::found::{self, Set};
use super::{Move, Screen, disks, given, levels};
use crate::answers::{Answers, Keep};
use crate::inventory::Disk;
use crate::layout::Origin;
use crate::messages::Text;
use crate::plan::plan;

impl Screen<'_> {
    pub(super) fn ask_task(&mut self) -> io::Result<Move> {
        self.look();
        self.page("task.title")?;
        let mut tasks = vec![Task::New];
        let mut items = vec![Item::new(self.text("task.new"))];
        for (which, set) in found::systems(&self.inventory).iter().enumerate() {
            for keep in [Keep::Data, Keep::DataAndState] {
                let task = Task::Reinstall { which, keep };
                tasks.push(task);
                items.push(self.reinstallation(set, task));
            }
        }
        let now = tasks.iter().position(|task| *task == self.draft.task);
        let chosen = given!(self.prompter.choose(&items, now.unwrap_or(0)));
        if self.draft.task != tasks[chosen] {
            // What was said about disks was about another task.
            self.draft.data.clear();
            self.draft.grow = false;
        }
        self.draft.task = tasks[chosen];
        Ok(Move::On)
    }

    /// A reinstallation in the menu, with the planner's reason where it cannot be.
    fn reinstallation(&self, set: &Set, task: Task) -> Item {
        let key = match task {
            Task::Reinstall {
                keep: Keep::DataAndState,
                ..
            } => "task.keep-settings",
            _ => "task.keep-data",
        };
        let draft = Draft {
            task,
            data: Vec::new(),
            ..self.draft.clone()
        };
        let answers = draft.answers(&self.inventory, &[]);
        let refused = plan(&answers, &self.inventory, self.host.manifest()).err();
        let refused = refused.map(|refusal| refusal.reason.to(self.draft.language));
        let volumes: Vec<String> = set
            .volumes
            .iter()
            .map(|(name, size)| format!("{name} ({size})"))
            .collect();
        let text = Text::new(key).with("disks", set.disks.join(" + "));
        let mut lines = wrap(&self.say(&text), disks::WIDTH);
        let below = match &refused {
            Some(reason) => self.say(&Text::new("disks.refused").with("reason", reason)),
            None => self.say(&Text::new("task.volumes").with("volumes", volumes.join(", "))),
        };
        lines.extend(wrap(&below, disks::WIDTH));
        Item { lines, refused }
    }

    pub(super) fn ask_system_disk(&mut self) -> io::Result<Move> {
        loop {
            self.look();
            self.page("system.title")?;
            given!(self.introduce(&Text::new("system.what")));
            let (paths, mut items) = self.candidates();
            let usable = items.iter().filter(|item| item.refused.is_none()).count();
            let header = disks::header(false, self.draft.language);
            given!(self.prompter.tell(&[header]));
            let several = items.len();
            items.push(Item {
                lines: vec![self.text("system.several")],
                refused: (usable < 2).then(|| self.text("system.one-only")),
            });
            items.push(Item::new(self.text("system.again")));
            let now = match self.draft.several {
                true => several,
                false => {
                    let at = |path: &String| self.draft.system.contains(path);
                    paths
                        .iter()
                        .position(at)
                        .unwrap_or_else(|| self.offered(&items))
                }
            };
            let chosen = given!(self.prompter.choose(&items, now));
            if let Some(path) = paths.get(chosen) {
                self.draft.several = false;
                self.draft.level = None;
                self.choose_system(vec![path.clone()]);
                return Ok(Move::On);
            }
            if chosen == several {
                self.draft.several = true;
                return Ok(Move::On);
            }
        }
    }

    pub(super) fn ask_members(&mut self) -> io::Result<Move> {
        self.page("members.title")?;
        given!(self.introduce(&Text::new("members.what")));
        given!(
            self.prompter
                .tell(&[disks::header(true, self.draft.language)])
        );
        let (paths, items) = self.candidates();
        let mut marked = places(&self.draft.system, &paths);
        loop {
            marked = given!(self.prompter.choose_several(&items, &marked));
            if marked.len() > 1 {
                let chosen = marked.iter().map(|at| paths[*at].clone()).collect();
                self.choose_system(chosen);
                return Ok(Move::On);
            }
            given!(self.tell(&Text::new("members.too-few")));
        }
    }

    pub(super) fn ask_level(&mut self) -> io::Result<Move> {
        self.page("level.title")?;
        let count = self.draft.system.len();
        given!(self.introduce(&Text::new("level.what").with("count", count)));
        let possible = levels::possible(count);
        let with = |level: &Level| {
            let target = new_group(&self.draft.system, Some(*level), &self.inventory);
            self.level_item(*level, count, &with_target(target))
        };
        let items: Vec<Item> = possible.iter().map(with).collect();
        let now = possible
            .iter()
            .position(|level| Some(*level) == self.draft.level);
        let chosen = given!(self.prompter.choose(&items, now.unwrap_or(0)));
        self.draft.level = Some(possible[chosen]);
        Ok(Move::On)
    }

    pub(super) fn ask_grow(&mut self) -> io::Result<Move> {
        self.page("grow.title")?;
        given!(self.introduce(&Text::new("grow.what")));
        self.draft.grow = given!(self.ask_either(["grow.no", "grow.yes"], self.draft.grow));
        Ok(Move::On)
    }

    pub(super) fn ask_keep_disks(&mut self) -> io::Result<Move> {
        self.page("storage.kept-title")?;
        given!(self.introduce(&Text::new("storage.kept-what")));
        for set in self.recordings_elsewhere() {
            let listed = set
                .disks
                .iter()
                .filter_map(|path| disk(path, &self.inventory));
            let lines: Vec<String> = listed
                .flat_map(|disk| {
                    disks::item(disk, &self.inventory, None, self.draft.language).lines
                })
                .map(|line| format!("      {line}"))
                .collect();
            given!(self.prompter.tell(&lines));
        }
        let keys = ["storage.keep", "storage.leave"];
        let leave = given!(self.ask_either(keys, !self.draft.keep_disks));
        self.draft.keep_disks = !leave;
        Ok(Move::On)
    }

    pub(super) fn ask_data_disks(&mut self) -> io::Result<Move> {
        self.page("storage.title")?;
        given!(self.introduce(&Text::new("storage.what")));
        given!(
            self.prompter
                .tell(&[disks::header(true, self.draft.language)])
        );
        let free = self.free_disks();
        let items: Vec<Item> = free.iter().map(|path| self.data_item(path)).collect();
        let marked = places(&self.draft.data, &free);
        let marked = given!(self.prompter.choose_several(&items, &marked));
        self.draft.data = marked.iter().map(|at| free[*at].clone()).collect();
        Ok(Move::On)
    }

    pub(super) fn ask_data_level(&mut self) -> io::Result<Move> {
        self.page("level.data-title")?;
        let count = self.draft.data.len();
        given!(self.introduce(&Text::new("level.data-what").with("count", count)));
        let mut choices = vec![None];
        choices.extend(levels::possible(count).into_iter().map(Some));
        let item = |level: &Option<Level>| match level {
            None => Item::new(self.text("level.alone")),
            Some(level) => {
                let mut answers = self.target_alone();
                answers.data = vec![new_group(&self.draft.data, Some(*level), &self.inventory)];
                self.level_item(*level, count, &answers)
            }
        };
        let items: Vec<Item> = choices.iter().map(item).collect();
        let now = choices
            .iter()
            .position(|level| *level == self.draft.data_level);
        let chosen = given!(self.prompter.choose(&items, now.unwrap_or(0)));
        self.draft.data_level = choices[chosen];
        Ok(Move::On)
    }

    fn level_item(&self, level: Level, count: usize, answers: &Answers) -> Item {
        let (manifest, language) = (self.host.manifest(), self.draft.language);
        levels::item(level, count, answers, &self.inventory, manifest, language)
    }

    /// The disk that Enter alone takes: one that can be used, rather an empty one.
    fn offered(&self, items: &[Item]) -> usize {
        let usable = |at: &usize| items[*at].refused.is_none();
        let empty = |at: &usize| self.inventory.disks[*at].contents.is_empty();
        let mut disks = 0..self.inventory.disks.len();
        let first = disks.clone().find(usable).unwrap_or(0);
        disks.find(|at| usable(at) && empty(at)).unwrap_or(first)
    }

    /// All disks as candidates for the system, in the order of the inventory.
    fn candidates(&self) -> (Vec<String>, Vec<Item>) {
        let item = |disk: &Disk| {
            let group = new_group(std::slice::from_ref(&disk.path), None, &self.inventory);
            self.judged_item(disk, &with_target(group))
        };
        let disks = self.inventory.disks.iter();
        disks.map(|disk| (disk.path.clone(), item(disk))).unzip()
    }

    fn data_item(&self, path: &str) -> Item {
        let Some(disk) = disk(path, &self.inventory) else {
            return Item::default();
        };
        let mut answers = self.target_alone();
        answers.data = vec![new_group(&[path.to_owned()], None, &self.inventory)];
        self.judged_item(disk, &answers)
    }

    fn judged_item(&self, disk: &Disk, answers: &Answers) -> Item {
        let (manifest, language) = (self.host.manifest(), self.draft.language);
        let refused = disks::refusal(disk, answers, &self.inventory, manifest, language);
        disks::item(disk, &self.inventory, refused, language)
    }

    /// Answers with the system's disks alone.
    fn target_alone(&self) -> Answers {
        let draft = Draft {
            data: Vec::new(),
            keep_disks: false,
            ..self.draft.clone()
        };
        with_target(draft.answers(&self.inventory, &[]).target)
    }

    fn choose_system(&mut self, disks: Vec<String>) {
        self.draft.data.retain(|path| !disks.contains(path));
        self.draft.system = disks;
    }

    /// Sets of other disks with recordings.
    pub(super) fn recordings_elsewhere(&self) -> Vec<Set> {
        elsewhere(&self.draft.system_disks(&self.inventory), &self.inventory)
    }

    /// The disks that are neither the system's nor kept, but for the medium.
    pub(super) fn free_disks(&self) -> Vec<String> {
        let mut taken = self.draft.system_disks(&self.inventory);
        if self.draft.keep_disks {
            taken.extend(
                self.recordings_elsewhere()
                    .into_iter()
                    .flat_map(|set| set.disks),
            );
        }
        let disks = self.inventory.disks.iter();
        disks
            .filter(|disk| !disk.boot_medium && !taken.contains(&disk.path))
            .map(|disk| disk.path.clone())
            .collect()
    }

    /// Whether a kept volume would grow if it may.
    pub(super) fn can_grow(&self) -> bool {
        if self.draft.task == Task::New {
            return false;
        }
        let draft = Draft {
            grow: true,
            data: Vec::new(),
            keep_disks: false,
            ..self.draft.clone()
        };
        let answers = with_target(draft.answers(&self.inventory, &[]).target);
        let plan = plan(&answers, &self.inventory, self.host.manifest());
        plan.is_ok_and(|plan| {
            let mut parts = plan.system().partitions.parts().iter();
            parts.any(|part| part.origin == Origin::Grown)
        })
    }

    /// Back to the choice of disks, which holds no longer.
    pub(super) fn choose_disks_again(&mut self) -> Move {
        self.look();
        self.draft.data.clear();
        let again = match self.draft.task {
            Task::New => Step::SystemDisk,
            Task::Reinstall { .. } => Step::Task,
        };
        if again == Step::Task && found::systems(&self.inventory).is_empty() {
            self.draft.task = Task::New;
            return Move::To(Step::SystemDisk);
        }
        Move::To(again)
    }

    /// Waits until a message has been read; the step goes on either way.
    pub(super) fn let_read(&mut self) -> io::Result<()> {
        match self.prompter.pause()? {
            Answer::Given(()) | Answer::Back => Ok(()),
        }
    }
}

fn with_target(target: crate::answers::Group) -> Answers {
    Answers {
        target,
        ..Answers::default()
    }
}

fn places(chosen: &[String], among: &[String]) -> Vec<usize> {
    let places = chosen.iter();
    places
        .filter_map(|path| among.iter().position(|other| other == path))
        .collect()
}
