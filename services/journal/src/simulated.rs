//! A disk that forgets, fails and fills up, for tests.
