//! Positions of people.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

const LATITUDES: RangeInclusive<f64> = -90.0..=90.0;
const LONGITUDES: RangeInclusive<f64> = -180.0..=180.0;

/// Whether a number of degrees can be a latitude.
pub fn is_latitude(degrees: f64) -> bool {
    LATITUDES.contains(&degrees)
}

/// Whether a number of degrees can be a longitude.
pub fn is_longitude(degrees: f64) -> bool {
    LONGITUDES.contains(&degrees)
}

/// A place on Earth, in degrees.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub struct Position {
    pub lat: f64,
    pub lng: f64,
}

/// The input is not a position: a number is out of its range, or one of the two is missing.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the position is incomplete or not on Earth")]
pub struct NoPosition;

impl Position {
    /// Reads the optional position of a press or a message. A bad position never refuses a call for help: the caller
    /// drops the position and logs that.
    pub fn new(lat: Option<f64>, lng: Option<f64>) -> Result<Option<Position>, NoPosition> {
        match (lat, lng) {
            (None, None) => Ok(None),
            (Some(lat), Some(lng)) if is_latitude(lat) && is_longitude(lng) => {
                Ok(Some(Position { lat, lng }))
            }
            _ => Err(NoPosition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_needs_two_numbers_in_their_ranges() {
        for (lat, lng) in [(0.0, 0.0), (90.0, 180.0), (-90.0, -180.0), (50.06, 19.94)] {
            assert_eq!(
                Position::new(Some(lat), Some(lng)),
                Ok(Some(Position { lat, lng }))
            );
        }
        assert_eq!(Position::new(None, None), Ok(None));
        for (lat, lng) in [
            (Some(1.0), None),
            (None, Some(1.0)),
            (Some(90.1), Some(0.0)),
            (Some(-91.0), Some(0.0)),
            (Some(0.0), Some(180.5)),
            (Some(0.0), Some(-1000.0)),
            (Some(f64::NAN), Some(0.0)),
            (Some(0.0), Some(f64::INFINITY)),
        ] {
            assert_eq!(Position::new(lat, lng), Err(NoPosition), "{lat:?} {lng:?}");
        }
    }
}
