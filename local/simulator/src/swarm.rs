//! A swarm: each seed draws which moves and faults exist at all, and how often. A schedule in which only three things
//! happen has them beside each other far more often than one in which everything does.

use std::collections::BTreeSet;

use crate::{
    coverage::{PHASES, Phase},
    dice::Dice,
    moves::{MOVES, Move},
    tally::{FAULTS, Fault},
};

/// Seeds from here on draw a swarm; those below have every move and fault, at fixed rates.
pub const FIRST_SWARM_SEED: u64 = 100_000_000;

/// Moves that are nothing without others.
const NEEDS: [(Move, &[Move]); 5] = [
    (Move::Settle, &[Move::PostBefore, Move::PostAfter]),
    (Move::ShareAccount, &[Move::LoseAccount]),
    (Move::Restore, &[Move::Remove]),
    (Move::LoginLoss, &[Move::Repair]),
    (Move::Trouble, &[Move::Repair, Move::Repair]),
];

/// What exists in a schedule.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    moves: Vec<Move>,
    faults: BTreeSet<Fault>,
    /// The bank's rounds at most.
    pub(crate) rounds: usize,
    /// The items' accounts at most.
    pub(crate) accounts: usize,
    /// The phase of the sync in which most faults are.
    pub(crate) focus: Option<Phase>,
}

impl Swarm {
    /// The swarm of a seed, if it has one. It is drawn from dice of its own.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        if seed < FIRST_SWARM_SEED {
            return None;
        }
        let dice = Dice::new(!seed);
        let is_in = |cases| dice.in_1000(cases);
        let presence = dice.one_of(&[150, 350, 600]).copied().unwrap_or_default();
        let mut moves = vec![Move::AddPending];
        for (which, _) in MOVES {
            if is_in(presence) {
                let weight = 1 + dice.below(6);
                moves.extend(std::iter::repeat_n(*which, weight));
            }
        }
        for (which, needs) in NEEDS {
            if moves.contains(&which) {
                moves.extend(needs);
            }
        }
        // What is pending and never posts shows little.
        if is_in(700) {
            moves.extend([Move::Post, Move::PostUnlinked]);
        }
        let presence = dice.one_of(&[100, 300, 700]).copied().unwrap_or_default();
        let faults = FAULTS.iter().map(|(fault, _)| *fault).filter(|_| is_in(presence)).collect();
        let rounds = dice.one_of(&[3, 5, 12]).copied().unwrap_or_default();
        let focus = dice.one_of(PHASES).map(|(phase, _)| *phase).filter(|_| is_in(700));
        // Few syncs send a message, and few moves have a second half: both at once needs help.
        let focus = if is_in(150) { Some(Phase::Queue) } else { focus };
        if focus == Some(Phase::Queue) {
            moves.extend([Move::Remove, Move::Restore, Move::LoseAccount, Move::ShareAccount]);
            moves.extend([Move::PostBefore, Move::PostAfter, Move::Settle, Move::Settle]);
        }
        Some(Self { moves, faults, rounds, accounts: 1 + dice.below(6), focus })
    }

    pub(crate) fn draw(&self, dice: &Dice) -> Move {
        dice.one_of(&self.moves).copied().unwrap_or(Move::AddPending)
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}
