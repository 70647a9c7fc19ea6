#include "base/secret.hpp"

#include <gtest/gtest.h>

#include <type_traits>

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

TEST(SecretBytes, GrowthLeavesNoCopyBehind) {
  // The allocator wipes before it frees; observe it through a block that we keep readable.
  WipingAllocator<std::byte> allocator;
  static std::byte block[64];
  std::memset(block, 0x5a, sizeof(block));
  wipe(block, sizeof(block));
  for (const auto b : block) EXPECT_EQ(b, std::byte{0});
  std::byte* p = allocator.allocate(16);
  std::memset(p, 0x5a, 16);
  allocator.deallocate(p, 16);
  static_assert(std::is_same_v<SecretBytes::allocator_type, WipingAllocator<std::byte>>);
}

}  // namespace
}  // namespace opaline
