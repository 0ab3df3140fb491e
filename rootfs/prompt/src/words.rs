//! What the prompters themselves say, one constant a language: a text that is missing in one does
//! not compile.

/// The words of one language.
#[derive(Debug)]
pub struct Words {
    /// Below a menu, on a capable terminal.
    pub choose: &'static str,
    /// Below a menu, plain.
    pub choose_plain: &'static str,
    /// Below a part of a long menu, plain.
    pub choose_plain_more: &'static str,
    /// Below a menu of marks, on a capable terminal.
    pub several: &'static str,
    /// Below a menu of marks, plain.
    pub several_plain: &'static str,
    /// After what was typed.
    pub not_a_number: &'static str,
    /// Before the first line to be typed on a page, on a capable terminal.
    pub line: &'static str,
    /// The same, plain.
    pub line_plain: &'static str,
    /// How to empty a line that has a text already, plain.
    pub clear_plain: &'static str,
    /// After a page of a long text, on a capable terminal.
    pub more: &'static str,
    /// The same, plain.
    pub more_plain: &'static str,
    /// Between a label and what is typed.
    pub colon: &'static str,
    /// When the line must not stay empty.
    pub empty: &'static str,
}

/// English.
pub static ENGLISH: Words = Words {
    choose: "Number or arrows, then Enter; Esc goes back:",
    choose_plain: "Number, then Enter; < goes back",
    choose_plain_more: "Number, then Enter; + shows more; < goes back",
    several: "Space marks or unmarks, Enter when done; Esc goes back:",
    several_plain: "Numbers to mark or unmark, Enter alone when done; < goes back",
    not_a_number: "is not one of the numbers above.",
    line: "Enter confirms, Esc goes back.",
    line_plain: "Enter confirms; < goes back; Enter alone takes what stands in [ ].",
    clear_plain: "- leaves it empty",
    more: "-- Enter to go on, Esc to go back --",
    more_plain: "-- Enter to go on, < to go back --",
    colon: ":",
    empty: "Something must be typed here.",
};

/// French.
pub static FRENCH: Words = Words {
    choose: "Numéro ou flèches, puis Entrée ; Échap pour revenir :",
    choose_plain: "Numéro, puis Entrée ; < pour revenir",
    choose_plain_more: "Numéro, puis Entrée ; + pour la suite ; < pour revenir",
    several: "Espace coche ou décoche, Entrée pour finir ; Échap pour revenir :",
    several_plain: "Numéros à cocher ou décocher, Entrée seule pour finir ; < pour revenir",
    not_a_number: "n'est pas un des numéros ci-dessus.",
    line: "Entrée pour valider, Échap pour revenir.",
    line_plain: "Entrée pour valider ; < pour revenir ; Entrée seule garde ce qui est entre [ ].",
    clear_plain: "- pour laisser vide",
    more: "-- Entrée pour continuer, Échap pour revenir --",
    more_plain: "-- Entrée pour continuer, < pour revenir --",
    colon: " :",
    empty: "Cette réponse ne peut pas rester vide.",
};
