#pragma once
// A key decoded by OpenSSL. Its private parts are wiped when it goes.
#include <memory>

struct evp_pkey_st;

namespace opaline::crypto {

struct FreeKey {
  void operator()(evp_pkey_st* key) const noexcept;
};
using KeyHandle = std::unique_ptr<evp_pkey_st, FreeKey>;

}  // namespace opaline::crypto
