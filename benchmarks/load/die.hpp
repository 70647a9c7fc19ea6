#pragma once
// A load generator has nobody to report an error to but the person who started it.
#include <string_view>

namespace opaline::bench {

/// Prints "<program>: <why>" and ends the program with status 1. A run with any error gives no figures.
[[noreturn]] void die(std::string_view why);
/// The same with errno's text.
[[noreturn]] void die_errno(std::string_view what);

}  // namespace opaline::bench
