//! Health → the status page. Pure. Every text that is not ours goes through [`escape`].

use std::fmt::Write as _;

use askama::Template;

use crate::arrays::Action;
use crate::frame::Frame;
use crate::health::{Array, Health, Status, Temperature, Volume};
use crate::language::Language;
use crate::messages::Messages;
use crate::scripts;
use crate::services::{Service, State};

/// The whole style of all pages; the security policy admits it by its digest and nothing else.
pub const STYLE: &str = include_str!("style.css");

/// The query with which the status page renews itself for who is logged in.
pub const AGAIN: &str = "again";

/// The status page; what stands above is written already.
pub fn status(health: &Health, frame: Frame<'_>, above: &str) -> String {
    let m = Messages::of(frame.language);
    let mut body = above.to_owned();
    verdict(&mut body, m, health);
    system(&mut body, m, health);
    volumes(&mut body, m, health);
    arrays(&mut body, m, &health.arrays);
    temperatures(&mut body, m, &health.temperatures);
    services(&mut body, m, &health.services);
    list(&mut body, m.failed_units, m.none, &health.failed_units);
    let (problems, notes) = match frame.language {
        Language::En => (&health.problems, &health.notes),
        Language::Fr => (&health.problems_fr, &health.notes_fr),
    };
    if !problems.is_empty() {
        list(&mut body, m.problems, m.none, problems);
    }
    if !notes.is_empty() {
        noted(&mut body, m.notes, notes);
    }
    let foot = format!(
        "<footer><p>{}</p></footer>\n<script>{}</script>\n",
        m.refresh,
        scripts::STATUS
    );
    let to = match frame.who {
        Some(_) => format!(";url=/?{AGAIN}"),
        None => String::new(),
    };
    // A page that loads itself again takes a reader back to its beginning: only where no script runs.
    let refresh =
        format!("<noscript><meta http-equiv=\"refresh\" content=\"30{to}\"></noscript>\n");
    framed(frame, &refresh, &body, &foot)
}

/// A page whose content is written already, by functions that escape what is not ours.
#[derive(Template)]
#[template(path = "written.html")]
struct Written<'a> {
    frame: Frame<'a>,
    head: &'a str,
    body: &'a str,
    foot: &'a str,
}

/// Such content in its frame.
pub fn framed(frame: Frame<'_>, head: &str, body: &str, foot: &str) -> String {
    let page = Written {
        frame,
        head,
        body,
        foot,
    };
    // Writing into memory does not fail.
    page.render().unwrap_or_default()
}

fn verdict(body: &mut String, m: &Messages, health: &Health) {
    let (class, text) = match health.status {
        Status::Ok => ("ok", m.ok),
        Status::Degraded => ("degraded", m.degraded),
    };
    let _ = writeln!(
        body,
        "<p class=\"verdict {class}\" role=\"status\">{text}</p>"
    );
    if health.mode.as_deref() == Some("live") {
        // Only recovery from the disk's own menu runs from a slot.
        let words = match &health.slot {
            Some(_) => m.recovery,
            None => m.live,
        };
        let _ = writeln!(body, "<p>{words}</p>");
    }
}

fn system(body: &mut String, m: &Messages, health: &Health) {
    let version = health.version.as_deref().unwrap_or(m.unknown);
    let _ = writeln!(body, "<section>\n<h2>{}</h2>\n<dl>", m.system);
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(body, "<dt>{name}</dt><dd>{}</dd>", escape(value));
    };
    row(m.version, version);
    if let Some(slot) = &health.slot {
        row(m.slot, &slot.to_uppercase());
    }
    row(m.uptime, &duration(m, health.uptime_s));
    body.push_str("</dl>\n</section>\n");
}

fn volumes(body: &mut String, m: &Messages, health: &Health) {
    let _ = writeln!(body, "<section>\n<h2>{}</h2>\n<ul>", m.volumes);
    for volume in &health.volumes {
        let _ = writeln!(
            body,
            "<li><strong>{}</strong> <code>{}</code><br>{}</li>",
            escape(&volume.name),
            escape(&volume.mount),
            volume_state(m, volume)
        );
    }
    body.push_str("</ul>\n</section>\n");
}

fn volume_state(m: &Messages, volume: &Volume) -> String {
    if volume.size_bytes == 0 {
        let why = match volume.checked {
            true => m.volume_checked,
            false => m.volume_absent,
        };
        return format!("<span class=\"bad\">{why}</span>");
    }
    let used = volume.size_bytes.saturating_sub(volume.free_bytes);
    let percent = u128::from(used) * 100 / u128::from(volume.size_bytes);
    let warning = if volume.ok {
        String::new()
    } else {
        format!("<br><span class=\"bad\">{}</span>", m.volume_read_only)
    };
    format!(
        "{free} {of} {size} <meter min=\"0\" max=\"100\" high=\"90\" value=\"{percent}\">{percent} %</meter>{warning}",
        free = size(m, volume.free_bytes),
        of = m.free_of,
        size = size(m, volume.size_bytes),
    )
}

/// The arrays, where there are any; what is wrong with them stands under the problems.
fn arrays(body: &mut String, m: &Messages, arrays: &[Array]) {
    if arrays.is_empty() {
        return;
    }
    let _ = writeln!(body, "<section>\n<h2>{}</h2>\n<ul>", m.arrays);
    for array in arrays {
        let level = match array.level.as_str() {
            "" => String::new(),
            level => format!(" <code>{}</code>", escape(level)),
        };
        let _ = writeln!(
            body,
            "<li><strong>{}</strong>{level}<br>{}</li>",
            escape(&array.name),
            array_state(m, array)
        );
    }
    body.push_str("</ul>\n</section>\n");
}

fn array_state(m: &Messages, array: &Array) -> String {
    let state = match (array.ok, array.disks) {
        (true, _) => m.array_whole.to_owned(),
        (false, 0) => format!("<span class=\"bad\">{}</span>", m.array_waits),
        (false, _) => format!(
            "<span class=\"bad\">{} / {} {}</span>",
            array.disks.saturating_sub(array.missing),
            array.disks,
            m.disks
        ),
    };
    let (Some(sync), Some(percent)) = (array.sync, array.sync_percent) else {
        return state;
    };
    let pass = match sync {
        Action::Resync => m.resync,
        Action::Recover => m.recover,
        Action::Check => m.check,
        Action::Other => m.other_pass,
    };
    format!("{state}, {pass} <meter min=\"0\" max=\"100\" value=\"{percent}\">{percent} %</meter>")
}

/// What the sensors say, where there are any.
fn temperatures(body: &mut String, m: &Messages, temperatures: &[Temperature]) {
    if temperatures.is_empty() {
        return;
    }
    let _ = writeln!(body, "<section>\n<h2>{}</h2>\n<ul>", m.temperatures);
    for one in temperatures {
        let limit = one.limit_celsius.map(|limit| {
            let limit = m.limit.replace("{limit}", &limit.to_string());
            format!(" <span class=\"note\">{limit}</span>")
        });
        let class = if one.ok { "" } else { " class=\"bad\"" };
        let _ = writeln!(
            body,
            "<li><strong>{}</strong> <span{class}>{} °C</span>{}</li>",
            escape(&one.name),
            one.celsius,
            limit.unwrap_or_default()
        );
    }
    body.push_str("</ul>\n</section>\n");
}

/// How the appliance's services are, where they could be asked for.
fn services(body: &mut String, m: &Messages, services: &[Service]) {
    if services.is_empty() {
        return;
    }
    let _ = writeln!(body, "<section>\n<h2>{}</h2>\n<dl>", m.services);
    for Service { name, state } in services {
        let class = match state {
            State::Failed => " class=\"bad\"",
            _ => "",
        };
        let (name, state) = (name.text(m), state.text(m));
        let _ = writeln!(body, "<dt>{name}</dt><dd{class}>{state}</dd>");
    }
    body.push_str("</dl>\n</section>\n");
}

/// What nobody has to do anything about.
fn noted(body: &mut String, heading: &str, notes: &[String]) {
    let _ = writeln!(body, "<section>\n<h2>{heading}</h2>\n<ul>");
    for note in notes {
        let _ = writeln!(body, "<li>{}</li>", escape(note));
    }
    body.push_str("</ul>\n</section>\n");
}

fn list(body: &mut String, heading: &str, none: &str, items: &[String]) {
    let _ = writeln!(body, "<section>\n<h2>{heading}</h2>");
    if items.is_empty() {
        let _ = writeln!(body, "<p>{none}</p>");
    } else {
        body.push_str("<ul>\n");
        for item in items {
            let _ = writeln!(body, "<li class=\"bad\">{}</li>", escape(item));
        }
        body.push_str("</ul>\n");
    }
    body.push_str("</section>\n");
}

fn duration(m: &Messages, seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes} {}", m.minutes),
        (0, _) => format!("{hours} {} {minutes} {}", m.hours, m.minutes),
        _ => format!("{days} {} {hours} {}", m.days, m.hours),
    }
}

/// Bytes with one decimal in steps of 1000, as disks are sold.
pub fn size(m: &Messages, bytes: u64) -> String {
    let (mut divisor, mut unit) = (1u64, 0);
    while bytes / divisor >= 1000 && unit + 1 < m.units.len() {
        divisor *= 1000;
        unit += 1;
    }
    let name = m.units[unit];
    if unit == 0 {
        return format!("{bytes} {name}");
    }
    let tenths = bytes / (divisor / 10);
    format!("{}{}{} {name}", tenths / 10, m.decimal, tenths % 10)
}

pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::frame::tests::frame;
    use crate::golden;
    use crate::health::tests::{bad_facts, facts, raid_facts, services as all_services};
    use crate::words::frame::FrameWords;

    use super::*;

    #[test]
    fn pages() {
        let well = Health::of(&facts(), Ok(vec![]));
        let failed = Ok(vec!["ssh.service".into(), "a<script>.service".into()]);
        let bad = Health {
            services: all_services(),
            ..Health::of(&bad_facts(), failed)
        };
        let raid = Health::of(&raid_facts(), Ok(vec![]));
        let mut live = well.clone();
        (live.mode, live.slot) = (Some("live".into()), None);
        let recovery = Health {
            slot: Some("b".into()),
            ..live.clone()
        };
        for (name, health, language) in [
            ("well.en", &well, Language::En),
            ("well.fr", &well, Language::Fr),
            ("bad.en", &bad, Language::En),
            ("bad.fr", &bad, Language::Fr),
            ("live.en", &live, Language::En),
            ("recovery.fr", &recovery, Language::Fr),
            ("raid.en", &raid, Language::En),
            ("raid.fr", &raid, Language::Fr),
        ] {
            let frame = Frame {
                language,
                hostname: "nvr-<hall>",
                here: "/",
                title: FrameWords::of(language).status,
                who: None,
                forms: false,
            };
            let page = status(health, frame, "");
            assert_eq!(page.matches("<script").count(), 1, "{name}");
            golden::page(name, &page);
        }
        let frame = frame(Language::Fr, "/", "État");
        golden::page("well-logged-in.fr", &status(&well, frame, ""));
    }

    #[test]
    fn sizes_and_durations() {
        let en = Messages::of(Language::En);
        let fr = Messages::of(Language::Fr);
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (1_999_999, "1.9 MB"),
            (2_000_000_000_000, "2.0 TB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(size(en, bytes), expected);
        }
        assert_eq!(size(fr, 1_500_000_000), "1,5 Go");
        for (seconds, expected) in [(59, "0 min"), (3_661, "1 h 1 min"), (93_784, "1 d 2 h")] {
            assert_eq!(duration(en, seconds), expected);
        }
    }

    #[test]
    fn nothing_foreign_is_markup() {
        assert_eq!(
            escape("<a href=\"x\" o='&'>"),
            "&lt;a href=&quot;x&quot; o=&#39;&amp;&#39;&gt;"
        );
    }
}
