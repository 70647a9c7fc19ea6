#include "base/secret.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <type_traits>

namespace {

// What was in the watched block when it was freed.
const void* watched = nullptr;
std::size_t watched_size = 0;
bool seen_freed = false, was_zero = false;

void look(const void* block) noexcept {
  if (block == nullptr || block != watched) return;
  const auto* bytes = static_cast<const unsigned char*>(block);
  seen_freed = true;
  was_zero = std::all_of(bytes, bytes + watched_size, [](unsigned char b) { return b == 0; });
  watched = nullptr;
}

}  // namespace

void* operator new(std::size_t size) {
  if (void* block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept {
  look(block);
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
  look(block);
  std::free(block);
}

namespace opaline {
namespace {

using Key = Secret<struct TestKeyTag, 32>;

TEST(Secret, CannotBeCopiedOrCompared) {
  static_assert(!std::is_copy_constructible_v<Key>);
  static_assert(!std::is_copy_assignable_v<Key>);
  static_assert(std::is_nothrow_move_constructible_v<Key>);
  static_assert(!std::equality_comparable<Key>);
}

TEST(Secret, MoveAndDestructionWipe) {
  alignas(Key) std::byte storage[sizeof(Key)];
  auto* key = new (storage) Key;
  for (auto& b : key->fill()) b = std::byte{0x5a};
  Key other = std::move(*key);
  for (const auto b : key->reveal()) EXPECT_EQ(b, std::byte{0});
  EXPECT_EQ(other.reveal()[31], std::byte{0x5a});
  *key = std::move(other);
  key->~Key();
  for (const auto b : storage) EXPECT_EQ(b, std::byte{0});
}

TEST(SecretBytes, EveryBlockIsWipedBeforeItIsFreed) {
  SecretBytes bytes(16, std::byte{0x5a});
  watched = bytes.data();
  watched_size = 16;
  bytes.resize(4096, std::byte{0x5a});  // grows into another block
  EXPECT_TRUE(seen_freed) << "the vector did not move; the test shows nothing";
  EXPECT_TRUE(was_zero);
  seen_freed = was_zero = false;
  watched = bytes.data();
  watched_size = 4096;
  SecretBytes().swap(bytes);
  EXPECT_TRUE(seen_freed);
  EXPECT_TRUE(was_zero);
}

}  // namespace
}  // namespace opaline
