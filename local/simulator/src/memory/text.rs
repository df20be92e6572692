//! The words of an expression.

/// A word, a mark or a name of an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A name, a place holder (`#name`, `:value`) or a key word.
    Word(String),
    /// `(`, `)`, `,`, `=`, `<>`, `<`, `<=`, `>`, `>=`, `+`, `-`.
    Mark(&'static str),
}

const MARKS: [&str; 11] = ["<>", "<=", ">=", "(", ")", ",", "=", "<", ">", "+", "-"];

fn is_of_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '#' | ':' | '.')
}

/// Takes an expression apart.
pub(super) fn tokens(expression: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = if word.is_empty() {
            let mark = MARKS.iter().find(|mark| rest.starts_with(**mark));
            let mark = mark.unwrap_or_else(|| unreachable!("a mark in {expression}"));
            tokens.push(Token::Mark(mark));
            rest.get(mark.len()..).unwrap_or_default()
        } else {
            tokens.push(Token::Word(word.to_owned()));
            behind
        }
        .trim_start();
    }
    tokens
}
