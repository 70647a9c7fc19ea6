#pragma once
// The one list of keys: how each is read into a Config.
#include <toml++/toml.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "server/config.hpp"

namespace opaline::server::internal {

struct ConfigKey {
  std::string_view section;
  std::string_view name;
  /// Stores the value in the Config that the list was made for. Returns what is wrong with it; empty: nothing.
  std::function<std::string(const toml::node& value, const std::filesystem::path& base)> read;
};

/// Borrows `config`, which must outlive the list.
[[nodiscard]] std::vector<ConfigKey> config_schema(Config& config);

/// The name in `known` that is closest to `name`, if one is close enough to be what was meant; else empty.
[[nodiscard]] std::string_view nearest(std::string_view name, const std::vector<std::string_view>& known);

}  // namespace opaline::server::internal
