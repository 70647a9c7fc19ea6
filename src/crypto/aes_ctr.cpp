#include "crypto/aes_ctr.hpp"

#include <algorithm>

#include "base/result.hpp"
#include "crypto/internal/openssl.hpp"

namespace opaline::crypto {

using internal::raw;
using internal::raw_out;

void Aes256Ctr::Free::operator()(evp_cipher_ctx_st* context) const noexcept {
  EVP_CIPHER_CTX_free(context);
}

Aes256Ctr::Aes256Ctr(FixedView<kKeyBytes> key, FixedView<kBlockBytes> counter_block) : context_(EVP_CIPHER_CTX_new()) {
  OPALINE_ASSERT(context_ != nullptr);
  OPALINE_ASSERT(EVP_EncryptInit_ex2(context_.get(), internal::algorithms().aes_256_ctr, raw(key), raw(counter_block),
                                     nullptr) == 1);
}

namespace {

ByteArray<Aes256Ctr::kBlockBytes> counter_block_at(std::uint64_t block) {
  ByteArray<Aes256Ctr::kBlockBytes> out{};
  for (std::size_t i = 0; i < 8; ++i) out[15 - i] = static_cast<std::byte>(block >> (8 * i) & 255);
  return out;
}

}  // namespace

Aes256Ctr::Aes256Ctr(FixedView<kKeyBytes> key, std::uint64_t offset_bytes)
    : Aes256Ctr(key, FixedView<kBlockBytes>(counter_block_at(offset_bytes / kBlockBytes))) {
  ByteArray<kBlockBytes> skipped{};
  const std::span<std::byte> part = std::span(skipped).first(offset_bytes % kBlockBytes);
  apply(part, part);
}

void Aes256Ctr::apply(ByteView in, std::span<std::byte> out) {
  OPALINE_ASSERT(context_ != nullptr && out.size() == in.size());
  constexpr std::size_t kMaxStep = std::size_t{1} << 30;  // OpenSSL counts in int
  while (!in.empty()) {
    const std::size_t step = std::min(in.size(), kMaxStep);
    int size = 0;
    OPALINE_ASSERT(EVP_EncryptUpdate(context_.get(), raw_out(out), &size, raw(in), static_cast<int>(step)) == 1);
    in = in.subspan(step);
    out = out.subspan(step);
  }
}

}  // namespace opaline::crypto
