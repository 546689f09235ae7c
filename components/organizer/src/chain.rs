//! The chain that makes the record tamper-evident: each row carries a hash of its content and of the row before it in
//! its agency.
//!
//! With a hash kept elsewhere, anybody can check later whether its row, or any row before it, has been changed, moved
//! or removed. All hashes are SHA-256, written as 64 lower-case hex digits:
//!
//!     seal = sha256(salt + newline + value)
//!     hash = sha256(lines, joined by newlines: the hash of the row before, entityClass, entityId, type, changedAt,
//!                   userId, agencyId, sha256(blankValue, or value where there is none), seal)
//!
//! `changedAt` has the form of answers. Null values, and the hash before the first row, are empty lines. No part
//! contains a newline, so content cannot move from one part to the next. The row's id is not hashed, because only its
//! place counts.
//!
//! A row about a person also has a `blankValue`, its value without personal data, and a random salt. When the person is
//! deleted, or the row is old (`retention`), the value becomes the blank one and the salt is deleted. Both values were
//! hashed from the start, so the chain still holds. Without the salt nobody can guess the deleted value from the seal.

use serde::Serialize;
use service::clock::{self, Millis};
use sha2::{Digest, Sha256};

/// A row of the record (contract 1.3).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changelog {
    pub id: i64,
    pub entity_id: i64,
    pub entity_class: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(serialize_with = "clock::timestamp")]
    pub changed_at: Millis,
    /// JSON as a text, not as an object.
    pub value_after: Option<String>,
    pub user_id: i64,
    pub agency_id: Option<i64>,
}

/// The proof of a row: the columns from which the chain can be checked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Proof {
    pub blank_value: Option<String>,
    pub salt: Option<String>,
    pub seal: Option<String>,
    pub hash: String,
}

/// SHA-256 in lower-case hex.
pub(crate) fn sha256(content: impl AsRef<[u8]>) -> String {
    format!("{:x}", Sha256::digest(content))
}

/// The seal of a value about a person.
pub(crate) fn seal(salt: &str, value: &str) -> String {
    sha256(format!("{salt}\n{value}"))
}

/// The hash of a row that follows the row with the hash `before`, or nothing.
pub(crate) fn hash(before: &str, row: &Changelog, proof: &Proof) -> String {
    let optional = |number: Option<i64>| number.map(|number| number.to_string()).unwrap_or_default();
    let value = proof.blank_value.as_ref().or(row.value_after.as_ref());
    let lines = [
        before,
        &row.entity_class,
        &row.entity_id.to_string(),
        &row.kind,
        &clock::format(row.changed_at),
        &row.user_id.to_string(),
        &optional(row.agency_id),
        &value.map(sha256).unwrap_or_default(),
        proof.seal.as_deref().unwrap_or_default(),
    ];
    sha256(lines.join("\n"))
}

/// Why a row does not follow the row before it, if it does not.
pub(crate) fn fault(before: &str, row: &Changelog, proof: &Proof) -> Option<&'static str> {
    if proof.hash != hash(before, row, proof) {
        return Some("the row or its place is not what was hashed");
    }
    let value = row.value_after.as_deref().unwrap_or_default();
    match (&proof.salt, &proof.seal, &proof.blank_value) {
        (None, None, None) => None,
        (Some(salt), Some(sealed), Some(_)) => {
            (*sealed != seal(salt, value)).then_some("the value is not what was sealed")
        }
        (None, Some(_), Some(blank)) => (blank != value).then_some("the value was blanked and then changed"),
        _ => Some("the seal is incomplete"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Changelog {
        Changelog {
            id: 7,
            entity_id: 3,
            entity_class: "User".to_owned(),
            kind: "insert".to_owned(),
            changed_at: 1_777_629_600_000,
            value_after: Some(r#"{"email":"a@b.pl"}"#.to_owned()),
            user_id: 1,
            agency_id: None,
        }
    }

    fn sealed(row: &Changelog) -> Proof {
        let mut proof = Proof {
            blank_value: Some(r#"{"email":""}"#.to_owned()),
            salt: Some("00ff".to_owned()),
            seal: row.value_after.as_ref().map(|value| seal("00ff", value)),
            hash: String::new(),
        };
        proof.hash = hash("before", row, &proof);
        proof
    }

    /// Computed with another program from the description above.
    #[test]
    fn the_hash_follows_the_description() {
        let expected = "3eb7af1b09206954080773f8d59c6721507081f5b59183c588fc36505e2f159b";
        assert_eq!(sealed(&row()).hash, expected);
    }

    #[test]
    fn a_row_follows_only_the_row_it_was_hashed_with() {
        let row = row();
        assert_eq!(fault("before", &row, &sealed(&row)), None);
        assert!(fault("", &row, &sealed(&row)).is_some());
    }

    #[test]
    fn a_blanked_row_still_follows() {
        let mut row = row();
        let mut proof = sealed(&row);
        row.value_after.clone_from(&proof.blank_value);
        proof.salt = None;
        assert_eq!(fault("before", &row, &proof), None);
    }

    #[test]
    fn every_change_of_a_row_is_detected() {
        let changes: [fn(&mut Changelog, &mut Proof); 12] = [
            |row, _| row.entity_id = 4,
            |row, _| row.entity_class = "Agency".to_owned(),
            |row, _| row.kind = "update".to_owned(),
            |row, _| row.changed_at += 1,
            |row, _| row.user_id = 2,
            |row, _| row.agency_id = Some(1),
            |row, _| row.value_after = Some(r#"{"email":"x@b.pl"}"#.to_owned()),
            |row, _| row.value_after = None,
            |_, proof| proof.blank_value = None,
            |row, proof| {
                // Moves the whole value into the salt.
                let moved = row.value_after.take().unwrap();
                proof.salt = proof.salt.take().map(|salt| format!("{salt}{moved}"));
            },
            |row, proof| {
                let moved = row.value_after.take().unwrap();
                proof.salt = proof.salt.take().map(|salt| format!("{salt}\n{moved}"));
            },
            |row, proof| {
                proof.salt = None;
                row.value_after = Some(r#"{"email":"","role":0}"#.to_owned());
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut row = row();
            let mut proof = sealed(&row);
            change(&mut row, &mut proof);
            assert!(fault("before", &row, &proof).is_some(), "change {number}");
        }
    }
}
