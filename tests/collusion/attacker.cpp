#include "tests/collusion/attacker.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <tuple>
#include <utility>

namespace opaline::collusion {
namespace {

constexpr std::size_t kWindow = 8, kGram = 4;
constexpr std::size_t kMostPairs = 100;  // a string that more have is nobody's

std::size_t slot(std::uint64_t value, unsigned bits) {
  return value * 0x9e3779b97f4a7c15ULL >> (64 - bits);
}
std::uint64_t number_at(const Bytes& value, std::size_t at, std::size_t size) {
  std::uint64_t out = 0;
  std::memcpy(&out, value.data() + at, size);
  return out;
}

template <class F>
void each_value(const Record& record, F&& f) {
  for (const auto& [name, values] : record.fields)
    for (const Bytes& value : values) f(value);
}

/// The form that all records have: strings of 4 bytes that more than a tenth of them share (headers, lengths, the upper
/// bytes of times). What touches it is as good as equal by chance.
class Form {
 public:
  explicit Form(const Records& records) : common_(std::size_t{1} << kBits) {
    std::vector<std::uint16_t> counts(common_.size()), last(common_.size());
    for (std::uint16_t i = 1; const Record& record : records) {
      each_value(record, [&](const Bytes& value) {
        for (std::size_t at = 0; at + kGram <= value.size(); ++at) {
          const std::size_t place = slot(number_at(value, at, kGram), kBits);
          if (std::exchange(last[place], i) == i || ++counts[place] <= records.size() / 10) continue;
          common_[place] = true;
        }
      });
      ++i;
    }
  }
  [[nodiscard]] bool touches(const Bytes& value, std::size_t at) const {
    for (std::size_t i = 0; i + kGram <= kWindow; ++i)
      if (common_[slot(number_at(value, at + i, kGram), kBits)]) return true;
    return false;
  }

 private:
  static constexpr unsigned kBits = 24;
  std::vector<bool> common_;
};

template <class F>
void each_window(const Record& record, const Form& form, F&& f) {
  each_value(record, [&](const Bytes& value) {
    for (std::size_t at = 0; at + kWindow <= value.size(); ++at)
      if (!form.touches(value, at)) f(number_at(value, at, kWindow));
  });
}

constexpr unsigned kFilterBits = 28;
std::vector<bool> filter_of(const Records& records, const Form& form) {
  std::vector<bool> out(std::size_t{1} << kFilterBits);
  for (const Record& record : records)
    each_window(record, form, [&](std::uint64_t window) { out[slot(window, kFilterBits)] = true; });
  return out;
}

/// (string, index of a record), sorted; each once.
using Index = std::vector<std::pair<std::uint64_t, std::uint32_t>>;

/// What is in `filter` alone: the others meet nobody.
Index index_of(const Records& records, const Form& form, const std::vector<bool>& filter) {
  Index out;
  for (std::uint32_t i = 0; i < records.size(); ++i) {
    each_window(records[i], form, [&](std::uint64_t window) {
      if (filter[slot(window, kFilterBits)]) out.emplace_back(window, i);
    });
  }
  std::ranges::sort(out);
  const auto [first, last] = std::ranges::unique(out);
  out.erase(first, last);
  return out;
}

/// Indexes in the order of a field's first value; those without are left out.
std::vector<std::size_t> sorted_by(const Records& records, const std::string& field) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < records.size(); ++i)
    if (field.empty() || records[i].fields.contains(field)) out.push_back(i);
  if (!field.empty()) {
    std::ranges::sort(out, [&](std::size_t l, std::size_t r) {
      return std::tie(records[l].fields.at(field), l) < std::tie(records[r].fields.at(field), r);
    });
  }
  return out;
}
std::set<std::string> names(const Records& records) {
  std::set<std::string> out;
  for (const Record& record : records)
    for (const auto& [name, values] : record.fields) out.insert(name);
  return out;
}

}  // namespace

std::size_t linked_by_equal_strings(const Records& a, const Records& b) {
  const Form form(a);
  const Index left = index_of(a, form, filter_of(b, form)), right = index_of(b, form, filter_of(a, form));
  std::vector<std::map<std::uint32_t, double>> shared(a.size());
  auto l = left.begin(), r = right.begin();
  while (l != left.end() && r != right.end()) {
    if (l->first != r->first) {
      ++(l->first < r->first ? l : r);
      continue;
    }
    const auto same = [window = l->first](const auto& at) { return at.first == window; };
    const auto l_end = std::find_if_not(l, left.end(), same), r_end = std::find_if_not(r, right.end(), same);
    // What several people of one business have says less of each: dates, counts.
    const auto pairs = static_cast<std::size_t>(l_end - l) * static_cast<std::size_t>(r_end - r);
    if (pairs <= kMostPairs) {
      for (auto i = l; i != l_end; ++i)
        for (auto j = r; j != r_end; ++j) shared[i->second][j->second] += 1.0 / static_cast<double>(pairs * pairs);
    }
    l = l_end;
    r = r_end;
  }
  std::size_t right_pairs = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto best = std::ranges::max_element(shared[i], {}, [](const auto& one) { return one.second; });
    right_pairs += best != shared[i].end() && b[best->first].person == a[i].person;
  }
  return right_pairs;
}

std::size_t linked_by_order(const Records& a, const Records& b, std::string& best) {
  std::set<std::string> fields = names(a);
  fields.insert("");
  std::size_t out = 0;
  for (const std::string& field : fields) {
    const auto left = sorted_by(a, field), right = sorted_by(b, field);
    std::size_t right_pairs = 0;
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i)
      right_pairs += a[left[i]].person == b[right[i]].person;
    if (right_pairs <= out) continue;
    out = right_pairs;
    best = field.empty() ? "order of arrival" : field;
  }
  return out;
}

double correlation_with_age(const Records& records, std::string& best) {
  double out = 0;
  for (const std::string& field : names(records)) {
    const auto order = sorted_by(records, field);
    // Spearman's: both are permutations of about the same numbers.
    double squares = 0;
    for (std::size_t i = 0; i < order.size(); ++i)
      squares += std::pow(static_cast<double>(i) - static_cast<double>(records[order[i]].person), 2);
    const auto n = static_cast<double>(order.size());
    const double rho = std::abs(1 - 6 * squares / (n * (n * n - 1)));
    if (order.size() != records.size() || rho <= out) continue;
    out = rho;
    best = field;
  }
  return out;
}

}  // namespace opaline::collusion
