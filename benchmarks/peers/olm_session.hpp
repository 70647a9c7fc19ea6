#pragma once
// Two devices that talk through libolm.
#include "base/bytes.hpp"

struct OlmSession;

namespace opaline::bench {

class OlmPair {
 public:
  OlmPair();
  /// Encrypts on one side, decrypts on the other; whether what came out is what went in.
  [[nodiscard]] bool pass(bool from_one, ByteView text);

 private:
  Bytes memory_[2];
  OlmSession* sessions_[2] = {};
};

}  // namespace opaline::bench
