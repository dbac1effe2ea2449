//! Adding up what the test programs report.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Tests so far.
#[derive(Default)]
pub(crate) struct TestCount {
    passed: AtomicU64,
    failed: AtomicU64,
}

impl TestCount {
    /// Reads a line of `cargo test`; adds it up if it is the result of one test program.
    pub(crate) fn read(&self, line: &str) {
        if let Some((passed, failed)) = parse_result(line) {
            self.passed.fetch_add(passed, Ordering::Relaxed);
            self.failed.fetch_add(failed, Ordering::Relaxed);
        }
    }

    /// Counts a step that has failed. One that fails without any test saying so, because something
    /// does not compile or a test program crashes, counts as one failure: "0 failed" is never said
    /// of a run that did not pass.
    pub(crate) fn step_failed(&self) {
        self.failed.fetch_max(1, Ordering::Relaxed);
    }
}

impl fmt::Display for TestCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, failed) = (self.passed.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        write!(f, "{passed} passed, {failed} failed")
    }
}

/// `test result: ok. 3 passed; 0 failed; 0 ignored; ...`
fn parse_result(line: &str) -> Option<(u64, u64)> {
    let (_verdict, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| counts.split("; ").find_map(|part| part.strip_suffix(what)?.parse().ok());
    Some((count(" passed")?, count(" failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_programs_are_added_up_and_other_lines_passed_over() {
        let count = TestCount::default();
        for line in [
            "running 4 tests",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test a::test_result ... ok",
            "test result: FAILED. 10 passed; 2 failed; 1 ignored; 0 measured; 5 filtered out; finished in 1.00s",
            "test result: nonsense",
        ] {
            count.read(line);
        }
        assert_eq!(count.to_string(), "13 passed, 2 failed");
    }

    #[test]
    fn a_step_that_fails_without_a_failed_test_is_one_failure() {
        let count = TestCount::default();
        count.step_failed();
        assert_eq!(count.to_string(), "0 passed, 1 failed");
    }

    #[test]
    fn a_step_that_fails_for_failed_tests_adds_nothing_to_them() {
        let count = TestCount::default();
        count.read("test result: FAILED. 1 passed; 2 failed; 0 ignored");
        count.step_failed();
        assert_eq!(count.to_string(), "1 passed, 2 failed");
    }
}
