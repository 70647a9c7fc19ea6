#pragma once

namespace opaline::testing {

/// Whether this program was built with the address or the thread sanitizer. Their allocators keep freed memory for a
/// while and map it in their own way: how much a process holds says nothing about the program there.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace opaline::testing
