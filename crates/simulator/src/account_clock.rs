//! The clock of the simulated account. It follows the machine's clock until its speed is changed
//! or it jumps.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::lock;
use model::{Clock, Now};

/// The highest speed: a day in less than a second.
pub const MAX_SPEED: f64 = 100_000.0;
/// How far the account can be ahead of the machine: its times stay within the years that text has.
const HORIZON: Duration = Duration::from_hours(100 * 365 * 24);
/// The longest single jump.
pub(crate) const MAX_JUMP: Duration = Duration::from_hours(31 * 24);

/// Time of the account, in relation to the machine's.
#[derive(Clone, Copy)]
struct Course {
    /// The machine's time when the course was set.
    since: Now,
    /// The account's time at that moment.
    origin: Now,
    speed: f64,
}

impl Course {
    fn at(self, machine: Now) -> Now {
        let elapsed = machine.since(self.since.instant);
        let passed = Duration::try_from_secs_f64(elapsed.as_secs_f64() * self.speed);
        let now = self.origin.after(passed.unwrap_or(HORIZON));
        let latest = machine.after(HORIZON);
        if now.instant > latest.instant {
            latest
        } else {
            now
        }
    }
}

/// The clock of the simulated account.
pub(crate) struct AccountClock {
    machine: Arc<dyn Clock>,
    /// `None` while both clocks agree, so that steps of the machine's wall clock show.
    course: Mutex<Option<Course>>,
}

impl AccountClock {
    pub(crate) fn new(machine: Arc<dyn Clock>, speed: f64) -> Self {
        let clock = Self {
            machine,
            course: Mutex::default(),
        };
        clock.reset(speed);
        clock
    }

    /// Returns the machine's time.
    pub(crate) fn machine_now(&self) -> Now {
        self.machine.now()
    }

    /// Returns the account's time.
    pub(crate) fn now(&self) -> Now {
        let course = *lock(&self.course);
        let machine = self.machine.now();
        course.map_or(machine, |course| course.at(machine))
    }

    /// Returns how many seconds of the account pass in one of the machine.
    pub(crate) fn speed(&self) -> f64 {
        lock(&self.course).map_or(1.0, |course| course.speed)
    }

    /// Sets the speed. At 0 time stands still.
    pub(crate) fn set_speed(&self, speed: f64) {
        self.change(|course| course.speed = speed);
    }

    /// Jumps forward.
    pub(crate) fn advance(&self, by: Duration) {
        self.change(|course| course.origin = course.origin.after(by));
    }

    /// Returns to the machine's time, and runs at a speed.
    pub(crate) fn reset(&self, speed: f64) {
        *lock(&self.course) = None;
        if speed.to_bits() != 1.0_f64.to_bits() {
            self.set_speed(speed);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Course)) {
        let mut guard = lock(&self.course);
        let machine = self.machine.now();
        let origin = guard.map_or(machine, |course| course.at(machine));
        let speed = guard.map_or(1.0, |course| course.speed);
        let mut course = Course {
            since: machine,
            origin,
            speed,
        };
        change(&mut course);
        *guard = Some(course);
    }

    /// Returns how long a span of the account takes on the machine, or `None` while time stands
    /// still.
    pub(crate) fn on_the_machine(&self, span: Duration) -> Option<Duration> {
        let speed = self.speed();
        (speed > 0.0)
            .then(|| Duration::try_from_secs_f64(span.as_secs_f64() / speed).ok())
            .flatten()
    }

    /// Returns how much of the account's time passes in a span of the machine. While time stands
    /// still, the span itself, so that a jump can end it.
    pub(crate) fn on_the_account(&self, span: Duration) -> Duration {
        let speed = self.speed();
        if speed > 0.0 {
            span.mul_f64(speed)
        } else {
            span
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Returns the clock of an account, and the machine's, which a test moves.
    fn clocks() -> (AccountClock, Arc<Mutex<Now>>) {
        let machine = Arc::new(Mutex::new(testing::now()));
        let read = Arc::clone(&machine);
        (
            AccountClock::new(Arc::new(move || *lock(&read)), 1.0),
            machine,
        )
    }

    #[test]
    fn time_is_the_machines_until_it_is_changed() {
        let (clock, machine) = clocks();
        machine.lock().unwrap().wall += MINUTE;
        assert_eq!(clock.now(), clock.machine_now());
        clock.advance(MINUTE);
        assert_eq!(clock.now(), clock.machine_now().after(MINUTE));
        clock.reset(1.0);
        assert_eq!(clock.now(), clock.machine_now());
    }

    #[test]
    fn a_change_of_speed_does_not_change_the_present() {
        let (clock, machine) = clocks();
        let pass = |span: Duration| {
            let mut machine = machine.lock().unwrap();
            *machine = machine.after(span);
        };
        clock.set_speed(60.0);
        pass(MINUTE);
        assert_eq!(clock.now(), testing::now().after(60 * MINUTE));
        clock.set_speed(0.0);
        pass(MINUTE);
        assert_eq!(clock.now(), testing::now().after(60 * MINUTE));
        clock.advance(MINUTE);
        clock.set_speed(1.0);
        pass(MINUTE);
        assert_eq!(clock.now(), testing::now().after(62 * MINUTE));
    }

    #[test]
    fn the_account_stays_within_a_hundred_years_of_the_machine() {
        let (clock, machine) = clocks();
        clock.set_speed(MAX_SPEED);
        let year = Duration::from_hours(365 * 24);
        let passed = machine.lock().unwrap().after(year);
        *machine.lock().unwrap() = passed;
        assert_eq!(clock.now(), passed.after(HORIZON));
        clock.advance(MAX_JUMP);
        assert_eq!(clock.now(), passed.after(HORIZON));
    }

    #[test]
    fn spans_are_converted_by_the_speed() {
        let (clock, _) = clocks();
        clock.set_speed(60.0);
        assert_eq!(clock.on_the_machine(60 * MINUTE), Some(MINUTE));
        assert_eq!(clock.on_the_account(MINUTE), 60 * MINUTE);
        clock.set_speed(0.0);
        assert_eq!(clock.on_the_machine(MINUTE), None);
        assert_eq!(clock.on_the_account(MINUTE), MINUTE);
    }
}
