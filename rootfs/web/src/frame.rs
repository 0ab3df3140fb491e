//! What stands around each page: its name, the ways to the others, who is logged in. Pure.

use crate::broker::Role;
use crate::language::Language;
use crate::page::STYLE;
use crate::words::frame::FrameWords;

/// The frame of one page.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub language: Language,
    pub hostname: &'a str,
    /// The page's path: where the switch of the language leads back to.
    pub here: &'a str,
    pub title: &'a str,
    /// Who is logged in.
    pub who: Option<Who<'a>>,
    /// Forms may be sent from here: not without TLS.
    pub forms: bool,
}

/// Who is logged in.
#[derive(Clone, Copy)]
pub struct Who<'a> {
    pub name: &'a str,
    pub role: Role,
    /// What each of their forms must bring along.
    pub csrf: &'a str,
}

/// A way to another page.
pub struct Way {
    pub path: &'static str,
    pub label: &'static str,
    pub current: bool,
}

/// All pages, and whom they are for. The paths below one belong to it.
static PAGES: [(&str, Role); 8] = [
    ("/", Role::Viewer),
    ("/logs", Role::Operator),
    ("/settings", Role::Administrator),
    ("/users", Role::Administrator),
    ("/update", Role::Administrator),
    ("/backup", Role::Administrator),
    ("/power", Role::Administrator),
    ("/help", Role::Viewer),
];

impl<'a> Frame<'a> {
    /// The words of the frame.
    pub fn words(&self) -> &'static FrameWords {
        FrameWords::of(self.language)
    }

    pub fn style(&self) -> &'static str {
        STYLE
    }

    /// The token of the session; none where nobody is logged in.
    pub fn csrf(&self) -> &'a str {
        self.who.map_or("", |who| who.csrf)
    }

    /// The ways that are open to whoever looks at this.
    pub fn ways(&self) -> Vec<Way> {
        let open = |needed: Role| self.who.is_some_and(|who| who.role >= needed);
        let pages = PAGES
            .iter()
            .filter(|(path, needed)| *path == "/" || open(*needed));
        let ways = pages.map(|(path, _)| Way {
            path,
            label: self.label(path),
            current: match *path {
                "/" => self.here == "/",
                path => self.here.split('/').nth(1) == path.strip_prefix('/'),
            },
        });
        ways.collect()
    }

    fn label(&self, path: &str) -> &'static str {
        let w = self.words();
        match path {
            "/logs" => w.logs,
            "/settings" => w.settings,
            "/users" => w.users,
            "/update" => w.update,
            "/backup" => w.backup,
            "/power" => w.power,
            "/help" => w.help,
            _ => w.status,
        }
    }

    /// A role's name.
    pub fn role(&self, role: &Role) -> &'static str {
        role.named(self.words())
    }
}

impl Role {
    /// Its name in a language.
    pub fn named(self, w: &FrameWords) -> &'static str {
        match self {
            Self::Viewer => w.viewer,
            Self::Operator => w.operator,
            Self::Administrator => w.administrator,
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A frame for golden files.
    pub fn frame(language: Language, here: &'static str, title: &'static str) -> Frame<'static> {
        Frame {
            language,
            hostname: "nvr-<hall>",
            here,
            title,
            who: Some(Who {
                name: "anne <i>",
                role: Role::Administrator,
                csrf: "0123",
            }),
            forms: true,
        }
    }

    #[test]
    fn who_sees_which_ways() {
        for (role, expected) in [
            (None, "/"),
            (Some(Role::Viewer), "/ /help"),
            (Some(Role::Operator), "/ /logs /help"),
            (
                Some(Role::Administrator),
                "/ /logs /settings /users /update /backup /power /help",
            ),
        ] {
            let mut frame = frame(Language::En, "/settings/history", "x");
            frame.who = role.map(|role| Who {
                name: "x",
                role,
                csrf: "x",
            });
            let ways = frame.ways();
            let paths: Vec<&str> = ways.iter().map(|way| way.path).collect();
            assert_eq!(paths.join(" "), expected, "{role:?}");
            let current = ways.iter().filter(|way| way.current).map(|way| way.path);
            let expected: &[&str] = match role {
                Some(Role::Administrator) => &["/settings"],
                _ => &[],
            };
            assert_eq!(current.collect::<Vec<_>>(), expected);
        }
    }
}
