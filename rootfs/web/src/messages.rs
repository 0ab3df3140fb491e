//! The pages' texts, one constant a language: a text that is missing in one does not compile.

use crate::language::Language;

pub struct Messages {
    pub title: &'static str,
    pub ok: &'static str,
    pub degraded: &'static str,
    pub live: &'static str,
    pub system: &'static str,
    pub version: &'static str,
    pub slot: &'static str,
    pub uptime: &'static str,
    pub volumes: &'static str,
    pub volume_absent: &'static str,
    pub volume_read_only: &'static str,
    pub free_of: &'static str,
    pub failed_units: &'static str,
    pub problems: &'static str,
    pub none: &'static str,
    pub unknown: &'static str,
    pub days: &'static str,
    pub hours: &'static str,
    pub minutes: &'static str,
    pub refresh: &'static str,
    /// From bytes to terabytes, steps of 1000.
    pub units: [&'static str; 5],
    pub decimal: char,
}

impl Messages {
    pub fn of(language: Language) -> &'static Self {
        match language {
            Language::En => &EN,
            Language::Fr => &FR,
        }
    }
}

static EN: Messages = Messages {
    title: "Status",
    ok: "Everything works",
    degraded: "Something needs attention",
    live: "Running from the installation medium",
    system: "System",
    version: "Version",
    slot: "Slot",
    uptime: "Running for",
    volumes: "Volumes",
    volume_absent: "not there: check the disk and its cable",
    volume_read_only: "read-only: check the volume with the installation medium",
    free_of: "free of",
    failed_units: "Failed services",
    problems: "Problems",
    none: "None",
    unknown: "unknown",
    days: "d",
    hours: "h",
    minutes: "min",
    refresh: "This page renews itself every 30 seconds.",
    units: ["B", "kB", "MB", "GB", "TB"],
    decimal: '.',
};

static FR: Messages = Messages {
    title: "État",
    ok: "Tout fonctionne",
    degraded: "Une intervention est nécessaire",
    live: "Fonctionne depuis le support d’installation",
    system: "Système",
    version: "Version",
    slot: "Emplacement",
    uptime: "En marche depuis",
    volumes: "Volumes",
    volume_absent: "absent : vérifiez le disque et son câble",
    volume_read_only: "en lecture seule : vérifiez le volume avec le support d’installation",
    free_of: "libres sur",
    failed_units: "Services en échec",
    problems: "Problèmes",
    none: "Aucun",
    unknown: "inconnu",
    days: "j",
    hours: "h",
    minutes: "min",
    refresh: "Cette page se renouvelle toutes les 30 secondes.",
    units: ["o", "ko", "Mo", "Go", "To"],
    decimal: ',',
};
