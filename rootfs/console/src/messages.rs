//! The menu's texts, one constant a language: a text that is missing in one does not compile.

use vigie_settings::Language;

/// The language of a `LANGUAGE` value, such as `fr` or `fr:en`; English for all others.
pub fn of_variable(value: &str) -> Language {
    if value.starts_with("fr") {
        Language::Fr
    } else {
        Language::En
    }
}

/// The other one of the two.
pub fn other(language: Language) -> Language {
    match language {
        Language::En => Language::Fr,
        Language::Fr => Language::En,
    }
}

/// The texts in a language.
pub fn messages(language: Language) -> &'static Messages {
    match language {
        Language::En => &EN,
        Language::Fr => &FR,
    }
}

pub struct Messages {
    /// For the option of our programs.
    pub code: &'static str,
    pub language: &'static str,
    pub install: &'static str,
    pub install_plain: &'static str,
    pub update_installed: &'static str,
    pub repair: &'static str,
    pub shell: &'static str,
    pub reboot: &'static str,
    pub power_off: &'static str,
    pub log_in: &'static str,
    pub update: &'static str,
    pub menu: &'static str,
    pub choose: &'static str,
    pub not_a_choice: &'static str,
    pub press_enter: &'static str,
    pub yes: &'static str,
    pub sure: &'static str,
    pub failed: &'static str,
    pub held: &'static str,
    pub held_until: &'static str,

    pub name: &'static str,
    pub version: &'static str,
    pub slot: &'static str,
    pub live: &'static str,
    pub recovery: &'static str,
    pub addresses: &'static str,
    pub no_address: &'static str,
    pub volume: &'static str,
    pub free_of: &'static str,
    pub volume_bad: &'static str,
    pub state: &'static str,
    pub all_well: &'static str,
    pub degraded: &'static str,
    pub failed_unit: &'static str,
    pub no_answer: &'static str,
    pub array_whole: &'static str,
    pub array_missing: &'static str,
    pub array_waits: &'static str,
    pub setup: &'static str,
    pub setup_open: &'static str,
    pub setup_in_menu: &'static str,
    pub setup_code: &'static str,

    pub shell_warning: &'static str,
    pub shell_end: &'static str,
    pub provision_found: &'static str,
    pub install_word: &'static str,

    /// What became of the last update, by the updater's word.
    pub outcomes: [(&'static str, &'static str); 7],
    pub last_update: &'static str,
    pub no_package: &'static str,
    pub ready: &'static str,
    pub arriving: &'static str,
    pub later: &'static str,
    pub refused: &'static str,
    pub not_read: &'static str,
    pub which_package: &'static str,
    pub installed: &'static str,
}

static EN: Messages = Messages {
    code: "en",
    language: "Français",
    install: "Install",
    install_plain: "Install, numbered lines",
    update_installed: "Update the appliance on this machine's disks",
    repair: "Repair, passwords, recovery",
    shell: "Rescue shell",
    reboot: "Reboot",
    power_off: "Power off",
    log_in: "Log in",
    update: "Update",
    menu: "Menu: network, maintenance, power",
    choose: "Number, or Enter to refresh:",
    not_a_choice: "is not one of the numbers above.",
    press_enter: "Enter to go back:",
    yes: "yes",
    sure: "Type yes to go on, Enter to go back:",
    failed: "This failed; what stands above says why.",
    held: "Nothing is done now: this must not be interrupted:",
    held_until: "Wait until it has ended, on whatever screen it was begun.",
    name: "Name",
    version: "Version",
    slot: "slot",
    live: "installation medium",
    recovery: "recovery",
    addresses: "Addresses",
    no_address: "none yet (Enter to look again)",
    volume: "Volume",
    free_of: "free of",
    volume_bad: "NOT AVAILABLE",
    state: "State",
    all_well: "everything works",
    degraded: "needs attention",
    failed_unit: "Failed",
    no_answer: "the web service does not answer yet",
    array_whole: "whole",
    array_missing: "DISKS MISSING",
    array_waits: "WAITS FOR DISKS",
    setup: "First setup",
    setup_open: "not done yet; do it at",
    setup_in_menu: "the code for it is in the menu",
    setup_code: "with the code",
    shell_warning: "A root shell can destroy everything on this machine's disks.",
    shell_end: "Leave it with exit.",
    provision_found: "A PROVISION volume is plugged in. Its answers may erase a disk.",
    install_word: "Type yes to install with its answers, Enter to answer yourself:",
    outcomes: [
        ("refused", "refused"),
        ("failed", "failed"),
        ("installed", "installed; a restart starts it"),
        ("good", "has come up well"),
        ("returned", "has not come up; this is the version before it"),
        ("rollback", "went back to it, as asked"),
        ("cancelled", "taken back"),
    ],
    last_update: "Last update",
    no_package: "There is no update package. Plug in a stick with one, or send one by the web page or scp.",
    ready: "ready to install",
    arriving: "arriving",
    later: "later",
    refused: "not accepted",
    not_read: "not read",
    which_package: "Number of the package to install, Enter to go back:",
    installed: "It is installed. A restart starts it; recording stops for about a minute.",
};

static FR: Messages = Messages {
    code: "fr",
    language: "English",
    install: "Installer",
    install_plain: "Installer, en lignes numérotées",
    update_installed: "Mettre à jour l'appareil installé sur cette machine",
    repair: "Réparation, mots de passe, récupération",
    shell: "Console de secours",
    reboot: "Redémarrer",
    power_off: "Éteindre",
    log_in: "Se connecter",
    update: "Mettre à jour",
    menu: "Menu : réseau, maintenance, arrêt",
    choose: "Numéro, ou Entrée pour actualiser :",
    not_a_choice: "n'est pas un des numéros ci-dessus.",
    press_enter: "Entrée pour revenir :",
    yes: "oui",
    sure: "Tapez oui pour continuer, Entrée pour revenir :",
    failed: "Échec ; la cause est indiquée ci-dessus.",
    held: "Rien n'est fait pour l'instant : ceci ne doit pas être interrompu :",
    held_until: "Attendez que ce soit terminé, sur l'écran où cela a commencé.",
    name: "Nom",
    version: "Version",
    slot: "emplacement",
    live: "support d'installation",
    recovery: "récupération",
    addresses: "Adresses",
    no_address: "aucune pour l'instant (Entrée pour actualiser)",
    volume: "Volume",
    free_of: "libres sur",
    volume_bad: "NON DISPONIBLE",
    state: "État",
    all_well: "tout fonctionne",
    degraded: "une intervention est nécessaire",
    failed_unit: "En échec",
    no_answer: "le service web ne répond pas encore",
    array_whole: "complet",
    array_missing: "DISQUES MANQUANTS",
    array_waits: "ATTEND DES DISQUES",
    setup: "Activation",
    setup_open: "pas encore faite ; elle se fait à",
    setup_in_menu: "son code est dans le menu",
    setup_code: "avec le code",
    shell_warning: "Une console root peut détruire tout ce qui est sur les disques de cette machine.",
    shell_end: "Pour la quitter : exit.",
    provision_found: "Un volume PROVISION est branché. Ses réponses peuvent effacer un disque.",
    install_word: "Tapez oui pour installer avec ses réponses, Entrée pour répondre vous-même :",
    outcomes: [
        ("refused", "refusée"),
        ("failed", "échec"),
        ("installed", "installée ; un redémarrage la lance"),
        ("good", "a bien démarré"),
        ("returned", "n'a pas démarré ; voici la version d'avant"),
        ("rollback", "retour à celle-ci, demandé"),
        ("cancelled", "annulée"),
    ],
    last_update: "Dernière mise à jour",
    no_package: "Il n'y a pas de paquet de mise à jour. Branchez une clé, ou envoyez-en un par le web ou scp.",
    ready: "prêt à installer",
    arriving: "en cours d'arrivée",
    later: "plus tard",
    refused: "pas accepté",
    not_read: "non lu",
    which_package: "Numéro du paquet à installer, Entrée pour revenir :",
    installed: "Il est installé. Un redémarrage le lance ; l'enregistrement s'arrête environ une minute.",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages() {
        for (value, expected) in [
            ("fr", Language::Fr),
            ("fr:en", Language::Fr),
            ("en", Language::En),
            ("", Language::En),
        ] {
            assert_eq!(of_variable(value), expected, "{value}");
        }
    }
}
