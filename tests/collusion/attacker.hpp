#pragma once
// Two businesses that put all they ever received side by side (promise 6). An attacker's records and what it tries.
#include <map>
#include <string>
#include <vector>

#include "base/bytes.hpp"

namespace opaline::collusion {

/// What one business received of one person. `person` is the truth: attacks do not look at it, scores do.
struct Record {
  std::size_t person = 0;
  /// By name. Of the same name in all records: a field of the same meaning.
  std::map<std::string, std::vector<Bytes>> fields;
};
/// Of one business, in the order in which people came.
using Records = std::vector<Record>;

/// Pairs records that share strings of 8 bytes which few others have, at any place of any field. How many pairs are
/// right, of `a.size()`.
[[nodiscard]] std::size_t linked_by_equal_strings(const Records& a, const Records& b);

/// Pairs the first of `a` with the first of `b` and so on, both in the order of one field's values (`field` empty: in
/// which they came). The best score of all fields; `best` says which.
[[nodiscard]] std::size_t linked_by_order(const Records& a, const Records& b, std::string& best);

/// How much the order of a field's values in one business's records says of the order in which people made their
/// accounts (their numbers): the largest absolute rank correlation of all fields but the order of arrival.
[[nodiscard]] double correlation_with_age(const Records& records, std::string& best);

}  // namespace opaline::collusion
