#pragma once
// The service's records API (docs/records.md), as the commands use it.
#include <boost/json.hpp>

#include "apps/opaline-records/home.hpp"
#include "base/bytes.hpp"

namespace opaline::officer {

class Service {
 public:
  explicit Service(const Home& home) : home_(home) {}

  /// One request below /v1/records/. The error is a sentence: not reached, or the service's own refusal.
  [[nodiscard]] Result<Bytes, std::string> ask(const std::string& method, const std::string& target,
                                               const std::string& body = {}) const;
  [[nodiscard]] Result<boost::json::value, std::string> json(const std::string& method, const std::string& target,
                                                             const std::string& body = {}) const;

 private:
  const Home& home_;
};

/// The text at a JSON pointer; another value as JSON; empty if it is not there.
[[nodiscard]] std::string field(const boost::json::value& value, std::string_view pointer);

}  // namespace opaline::officer
