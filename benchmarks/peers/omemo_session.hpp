#pragma once
// Two devices that talk through libomemo-c (protocol version 3), each with its stores in memory.
#include <memory>

#include "base/bytes.hpp"

namespace opaline::bench {

struct OmemoDevice;

class OmemoPair {
 public:
  OmemoPair();
  ~OmemoPair();
  OmemoPair(const OmemoPair&) = delete;
  OmemoPair& operator=(const OmemoPair&) = delete;
  /// Encrypts on one side, decrypts on the other; whether what came out is what went in.
  [[nodiscard]] bool pass(bool from_one, ByteView text);

 private:
  std::unique_ptr<OmemoDevice> one_, other_;
};

}  // namespace opaline::bench
