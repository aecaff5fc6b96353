//! A second core: the same step on both, each with its part of every sum, in lock-step.
//!
//! Both know all that passes between layers, and each keeps the state of its own channels. After every layer they swap their
//! shares of its sums through two mailboxes, of which one is read while the other is written: a message is written only after
//! the answer to the one before has come, so nothing is overwritten that is still being read. The numbers pass as atomics, which
//! needs no `unsafe`.
//!
//! Waiting spins for as long as an exchange can take, then yields, so that a core that the machine takes away delays the other
//! and does not block it. Whether two cores are faster than one is measured again and again, since it depends on how far apart
//! they are and on what else they do; a partner without work sleeps. The numbers are the same either way, bit for bit.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::lanes::{Line, WIDTH};
use super::tiers::{Network, Streams, Team};

/// Looks before a waiting core begins to yield: about 20 us, ten times what an exchange takes.
const SPINS: u32 = 2000;

/// Yields before a partner without work goes to sleep: some tenths of a millisecond.
const YIELDS: u32 = 1000;

/// Steps of a trial, with the partner or without: whole rounds of the usual pools.
const TRIAL: u32 = 64;

/// Trials of each kind, in turn, of which the fastest counts: what happens to interrupt one does not decide.
const TRIALS: u32 = 3;

/// Steps between one decision and the next trials.
const SETTLED: u32 = 1 << 14;

/// Something in cache lines of its own, with the neighbour that the CPU fetches along.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

/// A [`Line`] that two cores may touch.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Shared([AtomicU64; WIDTH / 2]);

/// What one core sends to the other.
#[derive(Debug)]
struct Mailbox {
    /// Messages so far.
    sent: Apart<AtomicU64>,
    messages: [Box<[Shared]>; 2],
}

impl Mailbox {
    fn new(lines: usize) -> Self {
        Self { sent: Apart::default(), messages: [0, 1].map(|_| (0..lines).map(|_| Shared::default()).collect()) }
    }

    fn send(&self, number: u64, lines: &[Line]) {
        for (shared, line) in self.messages[number as usize % 2].iter().zip(lines) {
            for (shared, pair) in shared.0.iter().zip(line.0.as_chunks::<2>().0) {
                let [low, high] = pair.map(f32::to_bits).map(u64::from);
                shared.store(low | high << 32, Ordering::Relaxed);
            }
        }
        self.sent.0.store(number, Ordering::Release);
    }

    fn has(&self, number: u64) -> bool {
        self.sent.0.load(Ordering::Acquire) >= number
    }

    fn receive(&self, number: u64, lines: &mut [Line]) {
        for (line, shared) in lines.iter_mut().zip(&self.messages[number as usize % 2]) {
            for (pair, shared) in line.0.as_chunks_mut::<2>().0.iter_mut().zip(&shared.0) {
                let both = shared.load(Ordering::Relaxed);
                *pair = [both as u32, (both >> 32) as u32].map(f32::from_bits);
            }
        }
    }
}

/// What two cores have in common.
#[derive(Debug)]
struct Link {
    mailboxes: [Mailbox; 2],
    /// Steps asked for.
    asked: Apart<AtomicU64>,
    /// What they feed.
    tokens: Box<[AtomicU16]>,
    /// The partner has the state of its part.
    lent: AtomicBool,
    /// One of the two is no more.
    ended: AtomicBool,
    asleep: AtomicBool,
    streams: Mutex<Streams>,
}

impl Link {
    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something has been asked for.
    fn rest(&self, ready: impl Fn() -> bool) {
        for _ in 0..SPINS {
            if ready() {
                return;
            }
            spin_loop();
        }
        for _ in 0..YIELDS {
            if ready() {
                return;
            }
            thread::yield_now();
        }
        while !ready() {
            self.asleep.store(true, Ordering::SeqCst);
            if !ready() {
                thread::park();
            }
            self.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// The partner's life.
    fn serve(self: &Arc<Self>, network: &Network) {
        let mut seat = Seat { link: Arc::clone(self), part: 1, messages: 0 };
        let (mut done, mut tokens) = (0, vec![0; self.tokens.len()]);
        let is = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        while !is(&self.ended) {
            self.rest(|| is(&self.lent) || is(&self.ended));
            let mut streams = self.streams();
            while is(&self.lent) && !is(&self.ended) {
                if self.asked.0.load(Ordering::SeqCst) != done {
                    done += 1;
                    for (token, shared) in tokens.iter_mut().zip(&self.tokens) {
                        *token = shared.load(Ordering::Relaxed);
                    }
                    streams.step(network, &tokens, Team::Seat(&mut seat));
                }
                self.rest(|| self.asked.0.load(Ordering::SeqCst) != done || !is(&self.lent) || is(&self.ended));
            }
        }
    }
}

/// A place at the table of two.
#[derive(Debug)]
pub(super) struct Seat {
    link: Arc<Link>,
    part: usize,
    /// Messages sent, and received.
    messages: u64,
}

impl Seat {
    /// Which of the two parts is computed here.
    pub(super) fn part(&self) -> usize {
        self.part
    }

    /// Sends `own` and receives the other's.
    pub(super) fn exchange(&mut self, own: &[Line], other: &mut [Line]) {
        self.messages += 1;
        let [to, from] = [self.part, 1 - self.part].map(|part| &self.link.mailboxes[part]);
        to.send(self.messages, own);
        wait(&self.link, || from.has(self.messages));
        from.receive(self.messages, other);
    }
}

/// Waits until `ready`, or the other core's end.
#[inline]
fn wait(link: &Link, ready: impl Fn() -> bool) {
    for _ in 0..SPINS {
        if ready() {
            return;
        }
        spin_loop();
    }
    while !ready() && !link.ended.load(Ordering::Relaxed) {
        thread::yield_now();
    }
}

/// The second core of an engine, as the first sees it.
#[derive(Debug)]
pub(super) struct Partner {
    seat: Seat,
    thread: Option<JoinHandle<()>>,
    lent: bool,
    choice: Choice,
}

/// Whether to step together: measured in trials, then kept for a while.
#[derive(Debug)]
struct Choice {
    together: bool,
    /// Steps until the next turn.
    left: u32,
    /// Trials still to make; the last step of each is timed against its first.
    trials: u32,
    since: Instant,
    /// The fastest trial alone, and together.
    fastest: [Duration; 2],
}

impl Choice {
    fn new() -> Self {
        // The first trial begins with the second turn: what is cold or asleep is so in the first steps.
        Self { together: true, left: TRIAL, trials: 0, since: Instant::now(), fastest: [Duration::MAX; 2] }
    }

    /// Counts a step, and turns where it is time to.
    fn step(&mut self) {
        self.left -= 1;
        if self.left > 0 {
            return;
        }
        let now = Instant::now();
        if self.trials > 0 {
            let fastest = &mut self.fastest[usize::from(self.together)];
            *fastest = (*fastest).min(now - self.since);
            self.trials -= 1;
            if self.trials == 0 {
                self.together = self.fastest[1] < self.fastest[0];

                self.left = SETTLED;
                return;
            }
            self.together = !self.together;
        } else {
            self.trials = 2 * TRIALS;
            self.fastest = [Duration::MAX; 2];
        }
        (self.left, self.since) = (TRIAL, now);
    }
}

/// Tells the other that this one has ended, by whatever way.
struct Ending<'a>(&'a Link);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.ended.store(true, Ordering::SeqCst);
    }
}

impl Partner {
    /// A partner for `batch` streams; none where no thread can be had, nor where the outermost tier has no block: the exchanges of
    /// a step are what keeps the two in lock-step, and there are steps without one then.
    pub(super) fn new(network: &Arc<Network>, batch: usize) -> Option<Self> {
        network.tiers.first()?.blocks().next()?;
        let lines = batch * network.share_lines().max().unwrap_or(0);
        let link = Arc::new(Link {
            mailboxes: [Mailbox::new(lines), Mailbox::new(lines)],
            asked: Apart::default(),
            tokens: (0..batch).map(|_| AtomicU16::new(0)).collect(),
            lent: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            streams: Mutex::new(network.streams(batch)),
        });
        let (theirs, network) = (Arc::clone(&link), Arc::clone(network));
        let serve = move || {
            let _ending = Ending(&theirs);
            theirs.serve(&network);
        };
        let thread = thread::Builder::new().name("generate".to_owned()).spawn(serve).ok()?;
        let seat = Seat { link, part: 0, messages: 0 };
        Some(Self { seat, thread: Some(thread), lent: false, choice: Choice::new() })
    }

    /// One step of `streams`, together where that is faster.
    pub(super) fn step<'s>(&mut self, network: &Network, streams: &'s mut Streams, tokens: &[u16]) -> &'s [Line] {
        if self.choice.together {
            self.lend(streams);
            let link = &self.seat.link;
            for (shared, &token) in link.tokens.iter().zip(tokens) {
                shared.store(token, Ordering::Relaxed);
            }
            link.asked.0.fetch_add(1, Ordering::SeqCst);
            self.wake();
            streams.step(network, tokens, Team::Seat(&mut self.seat));
            if self.seat.link.ended.load(Ordering::Relaxed) {
                self.bury();
            }
        } else {
            self.recall(streams);
            streams.step(network, tokens, Team::Alone);
        }
        self.choice.step();
        streams.logits()
    }

    fn lend(&mut self, streams: &mut Streams) {
        if !self.lent {
            self.seat.link.streams().follow(streams);
            self.seat.link.lent.store(true, Ordering::SeqCst);
            self.lent = true;
            self.wake();
        }
    }

    /// Takes the state of the partner's part back into `streams`.
    pub(super) fn recall(&mut self, streams: &mut Streams) {
        if self.lent {
            self.seat.link.lent.store(false, Ordering::SeqCst);
            self.wake();
            self.seat.link.streams().give_back(streams);
            self.lent = false;
        }
    }

    fn wake(&self) {
        if self.seat.link.asleep.load(Ordering::SeqCst)
            && let Some(thread) = &self.thread
        {
            thread.thread().unpark();
        }
    }

    /// Goes on with the panic that ended the partner.
    fn bury(&mut self) {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Partner {
    fn drop(&mut self) {
        self.seat.link.ended.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of its own was met in the step; what is left to do here is to wait.
            let _ = thread.join();
        }
    }
}
