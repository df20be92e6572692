//! Expressions, read once and kept: the store has a few dozen.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use super::text::{Token, tokens};

/// A value in an expression.
#[derive(Debug)]
pub(super) enum Operand {
    /// An attribute, perhaps one inside another.
    Path(Vec<String>),
    /// A value of the request.
    Value(String),
    /// The attribute, or the other if it is not there.
    IfNotExists(Vec<String>, Box<Operand>),
}

/// What must hold.
#[derive(Debug)]
pub(super) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Not(Box<Condition>),
    Exists(Vec<String>, bool),
    BeginsWith(Operand, Operand),
    Contains(Operand, Operand),
    Compare(Operand, &'static str, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
}

/// A function of two operands.
type Function = fn(Operand, Operand) -> Condition;

/// What becomes of one attribute.
#[derive(Debug)]
pub(super) enum Action {
    /// To a value, with another added to it if there is one.
    Set(String, Operand, Option<Operand>),
    Remove(String),
    Add(String, Operand),
}

thread_local! {
    static CONDITIONS: RefCell<HashMap<String, Rc<Condition>>> = RefCell::default();
    static UPDATES: RefCell<HashMap<String, Rc<Vec<Action>>>> = RefCell::default();
}

fn kept<T>(
    cache: &RefCell<HashMap<String, Rc<T>>>,
    expression: &str,
    read: impl FnOnce(&mut Parser) -> T,
) -> Rc<T> {
    if let Some(known) = cache.borrow().get(expression) {
        return known.clone();
    }
    let mut parser = Parser { tokens: tokens(expression), at: 0 };
    let parsed = Rc::new(read(&mut parser));
    assert!(parser.at == parser.tokens.len(), "{expression} is not understood to its end");
    cache.borrow_mut().insert(expression.to_owned(), parsed.clone());
    parsed
}

/// Reads a condition, a filter or a condition on keys.
pub(super) fn condition(expression: &str) -> Rc<Condition> {
    CONDITIONS.with(|cache| kept(cache, expression, Parser::any))
}

/// Reads an update.
pub(super) fn update(expression: &str) -> Rc<Vec<Action>> {
    UPDATES.with(|cache| kept(cache, expression, Parser::actions))
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Takes the next token if it is this word or mark.
    fn takes(&mut self, wanted: &str) -> bool {
        let is_it = match self.tokens.get(self.at) {
            Some(Token::Word(word)) => word.eq_ignore_ascii_case(wanted),
            Some(Token::Mark(mark)) => *mark == wanted,
            None => false,
        };
        self.at += usize::from(is_it);
        is_it
    }

    fn must(&mut self, wanted: &str) {
        assert!(self.takes(wanted), "{wanted} at {} of {:?}", self.at, self.tokens);
    }

    fn word(&mut self) -> String {
        match self.next() {
            Some(Token::Word(word)) => word,
            other => unreachable!("a word, not {other:?}, in {:?}", self.tokens),
        }
    }

    fn path(&mut self) -> Vec<String> {
        self.word().split('.').map(str::to_owned).collect()
    }

    fn operand(&mut self) -> Operand {
        let word = self.word();
        if word.starts_with(':') {
            return Operand::Value(word);
        }
        if word == "if_not_exists" {
            self.must("(");
            let path = self.path();
            self.must(",");
            let other = self.operand();
            self.must(")");
            return Operand::IfNotExists(path, Box::new(other));
        }
        Operand::Path(word.split('.').map(str::to_owned).collect())
    }

    fn any(&mut self) -> Condition {
        let mut condition = self.all();
        while self.takes("OR") {
            condition = Condition::Or(Box::new(condition), Box::new(self.all()));
        }
        condition
    }

    fn all(&mut self) -> Condition {
        let mut condition = self.one();
        while self.takes("AND") {
            condition = Condition::And(Box::new(condition), Box::new(self.one()));
        }
        condition
    }

    fn one(&mut self) -> Condition {
        if self.takes("NOT") {
            return Condition::Not(Box::new(self.one()));
        }
        if self.takes("(") {
            let inner = self.any();
            self.must(")");
            return inner;
        }
        for (name, is_there) in [("attribute_exists", true), ("attribute_not_exists", false)] {
            if self.takes(name) {
                self.must("(");
                let path = self.path();
                self.must(")");
                return Condition::Exists(path, is_there);
            }
        }
        let functions: [(&str, Function); 2] =
            [("begins_with", Condition::BeginsWith), ("contains", Condition::Contains)];
        for (name, make) in functions {
            if self.takes(name) {
                self.must("(");
                let whole = self.operand();
                self.must(",");
                let part = self.operand();
                self.must(")");
                return make(whole, part);
            }
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Condition {
        let left = self.operand();
        if self.takes("BETWEEN") {
            let low = self.operand();
            self.must("AND");
            return Condition::Between(left, low, self.operand());
        }
        if self.takes("IN") {
            self.must("(");
            let mut all = vec![self.operand()];
            while self.takes(",") {
                all.push(self.operand());
            }
            self.must(")");
            return Condition::In(left, all);
        }
        match self.next() {
            Some(Token::Mark(mark)) => Condition::Compare(left, mark, self.operand()),
            other => unreachable!("a comparison, not {other:?}, in {:?}", self.tokens),
        }
    }

    fn actions(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while self.at < self.tokens.len() {
            let clause = self.word();
            loop {
                let name = self.word();
                actions.push(match clause.as_str() {
                    "SET" => {
                        self.must("=");
                        let value = self.operand();
                        let more = self.takes("+").then(|| self.operand());
                        Action::Set(name, value, more)
                    }
                    "REMOVE" => Action::Remove(name),
                    "ADD" => Action::Add(name, self.operand()),
                    other => unreachable!("{other} in {:?}", self.tokens),
                });
                if !self.takes(",") {
                    break;
                }
            }
        }
        actions
    }
}
