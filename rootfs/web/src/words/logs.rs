//! The logs, and the audit trail.

use super::words;

words! {
    /// The words of the logs' pages.
    LogsWords {
        title: "Logs" / "Journaux",
        system: "System log" / "Journal système",
        disconnections: "Disconnections" / "Déconnexions",
        disconnections_note: "When network ports and cameras went and came back." / "Quand des ports réseau et des caméras ont disparu et sont revenus.",
        audit: "Audit trail" / "Journal des actions",
        audit_note: "Who had what done, from where, and what became of it; the newest first." / "Qui a fait faire quoi, d’où, et ce qu’il en est advenu ; le plus récent d’abord.",
        unit: "Service" / "Service",
        unit_note: "Such as vigie-web.service; empty: all." / "Par exemple vigie-web.service ; vide : tous.",
        text: "Has the words" / "Contient les mots",
        since: "Since (UTC)" / "Depuis (UTC)",
        lines: "Lines" / "Lignes",
        show: "Show" / "Afficher",
        download: "Download as text" / "Télécharger en texte",
        export: "Download all as JSON lines" / "Tout télécharger en lignes JSON",
        follow: "Follow" / "Suivre",
        stop: "Stop" / "Arrêter",
        none: "There are no such lines." / "Il n’y a pas de telles lignes.",
        content: "Lines of the log" / "Lignes du journal",
        wrong_since: "The time is not one; such as 2026-11-30T08:15." / "L’heure n’en est pas une ; par exemple 2026-11-30T08:15.",
        time: "Time" / "Heure",
        who: "Who" / "Qui",
        from: "From" / "D’où",
        what: "What" / "Quoi",
        ended: "Became" / "Issue",
        asked: "asked for" / "demandé",
        done: "done" / "fait",
        refused: "refused" / "refusé",
        failed: "failed" / "échoué",
    }
}
