#pragma once
#include <CLI/CLI.hpp>
#include <functional>

#include "apps/opalined/commands.hpp"

namespace opaline::daemon {

/// Adds `business` with its commands to `admin`. The arguments are filled in while parsing and must outlive `run`,
/// which is set to what was asked for.
void add_businesses(CLI::App& admin, const GlobalOptions& global, const AdminArguments& arguments,
                    BusinessArguments& business, std::function<Exit()>& run);

}  // namespace opaline::daemon
