#pragma once
// What a peer, disk, network or user can cause is a value (docs/architecture.md, Errors). Each room has one closed
// error enum.
#include <expected>
#include <utility>

namespace opaline {

template <class T, class E>
using Result = std::expected<T, E>;
template <class E>
[[nodiscard]] std::unexpected<E> fail(E error) {
  return std::unexpected<E>(std::move(error));
}

/// Ends the program with file and line: for our own bugs, never for input. On in every build.
[[noreturn]] void assertion_failed(const char* what, const char* file, int line);

}  // namespace opaline

#define OPALINE_ASSERT(condition) \
  ((condition) ? static_cast<void>(0) : ::opaline::assertion_failed(#condition, __FILE__, __LINE__))

/// `OPALINE_TRY(auto x, f());`: takes the value of a Result, or returns its error from this function.
#define OPALINE_TRY_CAT2(a, b) a##b
#define OPALINE_TRY_CAT(a, b) OPALINE_TRY_CAT2(a, b)
#define OPALINE_TRY(declaration, expression)                                                                        \
  auto OPALINE_TRY_CAT(try_, __LINE__) = (expression);                                                              \
  if (!OPALINE_TRY_CAT(try_, __LINE__)) return std::unexpected(std::move(OPALINE_TRY_CAT(try_, __LINE__)).error()); \
  declaration = std::move(*OPALINE_TRY_CAT(try_, __LINE__))
/// The same for a Result<void, E>.
#define OPALINE_CHECK(expression)                                                                           \
  do {                                                                                                      \
    if (auto try_result = (expression); !try_result) return std::unexpected(std::move(try_result).error()); \
  } while (false)
