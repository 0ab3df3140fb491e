//! Time zones: of a language, by region and city, by a part of the name. Pure.

use vigie_settings::Language;

/// The zone that is offered first.
pub fn usual(language: Language) -> &'static str {
    match language {
        Language::En => "Etc/UTC",
        Language::Fr => "Europe/Paris",
    }
}

/// Names of zones from the table of the database (zone.tab: country, coordinates, name, remark).
pub fn listed(table: &str) -> Vec<String> {
    let lines = table.lines().filter(|line| !line.starts_with('#'));
    let mut zones: Vec<String> = lines
        .filter_map(|line| line.split('\t').nth(2))
        .map(str::to_owned)
        .collect();
    zones.push("Etc/UTC".to_owned());
    zones.sort();
    zones.dedup();
    zones
}

/// The regions of the zones.
pub fn regions(zones: &[String]) -> Vec<String> {
    let mut regions: Vec<String> = zones
        .iter()
        .filter_map(|zone| Some(zone.split_once('/')?.0.to_owned()))
        .filter(|region| region != "Etc")
        .collect();
    regions.sort();
    regions.dedup();
    regions
}

/// The zones of a region.
pub fn of_region<'a>(zones: &'a [String], region: &str) -> Vec<&'a str> {
    let prefix = format!("{region}/");
    let zones = zones.iter().map(String::as_str);
    zones.filter(|zone| zone.starts_with(&prefix)).collect()
}

/// The zones with this in their name, in any case, blanks or not.
pub fn with<'a>(zones: &'a [String], part: &str) -> Vec<&'a str> {
    let plain = |text: &str| -> String {
        let text = text.to_lowercase().replace([' ', '-'], "_");
        text.chars().map(unaccented).collect()
    };
    let part = plain(part.trim());
    if part.is_empty() {
        return Vec::new();
    }
    let zones = zones.iter().map(String::as_str);
    zones.filter(|zone| plain(zone).contains(&part)).collect()
}

/// The database writes names without accents.
fn unaccented(character: char) -> char {
    match character {
        'à' | 'â' | 'ä' | 'á' | 'ã' => 'a',
        'ç' => 'c',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'î' | 'ï' | 'í' => 'i',
        'ô' | 'ö' | 'ó' | 'õ' => 'o',
        'ù' | 'û' | 'ü' | 'ú' => 'u',
        other => other,
    }
}

/// A zone's name for a person: the city, without the region.
pub fn city(zone: &str) -> String {
    let city = zone.split_once('/').map_or(zone, |(_, city)| city);
    city.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# comment\nFR\t+4852+00220\tEurope/Paris\nGP\t+1614-06132\tAmerica/Guadeloupe\n\
        US\t+404251-0740023\tAmerica/New_York\tEastern\nAR\t-3436-05827\tAmerica/Argentina/Buenos_Aires\n\
        RE\t-2052+05528\tIndian/Reunion\nbroken line\n";

    #[test]
    fn names_are_found() {
        let zones = listed(TABLE);
        assert_eq!(zones.len(), 6);
        assert_eq!(regions(&zones), ["America", "Europe", "Indian"]);
        assert_eq!(of_region(&zones, "Europe"), ["Europe/Paris"]);
        for (part, expected) in [
            ("new york", vec!["America/New_York"]),
            ("PARIS", vec!["Europe/Paris"]),
            ("Réunion", vec!["Indian/Reunion"]),
            ("buenos", vec!["America/Argentina/Buenos_Aires"]),
            ("utc", vec!["Etc/UTC"]),
            ("xyz", vec![]),
            ("  ", vec![]),
        ] {
            assert_eq!(with(&zones, part), expected, "{part}");
        }
        assert_eq!(city("America/New_York"), "New York");
    }
}
