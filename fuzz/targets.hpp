#pragma once
// Every fuzz target: what a stranger, a damaged file or another process can hand to us. A target ends the program by
// OPALINE_ASSERT if a promise about its input does not hold; the bytes mean the same in every run. libFuzzer runs them
// one by one (entry.cpp, tools/fuzz); the corpus is replayed by the ordinary test `fuzz_corpus` (corpus_test.cpp).
#include "base/bytes.hpp"

namespace opaline::fuzz {

void agent(ByteView input);        ///< requests at the socket of a running `opaline`
void blobs(ByteView input);        ///< heads of attachments' files, and requests about attachments
void carrier(ByteView input);      ///< texts between a person's device and the carrier
void client(ByteView input);       ///< the wrapped key of a local store, and its values
void contents(ByteView input);     ///< plaintexts of sessions; libprotobuf reads along
void credentials(ByteView input);  ///< device lists, prekey sets and bundles, as parsed and as changed on the way
void endpoint(ByteView input);     ///< the rows of an EndpointStore
void gateway(ByteView input);      ///< a gateway's settings, tickets and rows, and messages on their way to a webhook
void identity(ByteView input);     ///< handles, the directory's rows, renewal tokens
void link(ByteView input);         ///< link codes, messages of linking, recovery files
void lookups(ByteView input);      ///< rows of the lookup log, and places in it as people hand them in
void msp(ByteView input);          ///< what a business's software, a device or a link hands to a gateway and a client
void net(ByteView input);          ///< HTTP, WebSocket, URLs and addresses
void profile(ByteView input);      ///< what a service says of a business
void records(ByteView input);      ///< productions, bundles, facts and keys of legal requests, and their rows
void relay(ByteView input);        ///< batches of a device, before and after it has shown who it is
void server(ByteView input);       ///< backup files and configurations
void session(ByteView input);      ///< messages, stored sessions and keys
void store(ByteView input);        ///< rows of the mailbox store, key files, marks, sealed rows
void wire(ByteView input);         ///< frames and send tokens

struct Target {
  std::string_view name;
  void (*run)(ByteView input);
};
inline constexpr Target kTargets[] = {{"agent", agent},       {"blobs", blobs},       {"carrier", carrier},
                                      {"client", client},     {"contents", contents}, {"credentials", credentials},
                                      {"endpoint", endpoint}, {"gateway", gateway},   {"identity", identity},
                                      {"link", link},         {"lookups", lookups},   {"msp", msp},
                                      {"net", net},           {"profile", profile},   {"records", records},
                                      {"relay", relay},       {"server", server},     {"session", session},
                                      {"store", store},       {"wire", wire}};

/// `original` with edits: (u16 offset, u8 xor) each.
[[nodiscard]] inline Bytes edited(ByteView original, ByteView edits) {
  Bytes out = to_bytes(original);
  for (; !out.empty() && edits.size() >= 3; edits = edits.subspan(3)) {
    const auto at = std::to_integer<std::size_t>(edits[0]) << 8 | std::to_integer<std::size_t>(edits[1]);
    out[at % out.size()] ^= edits[2];
  }
  return out;
}
/// The first byte, which chooses what the rest is for, and the rest.
struct Choice {
  std::uint8_t what = 0;
  ByteView rest;
};
[[nodiscard]] inline Choice choose(ByteView input, std::uint8_t of) {
  if (input.empty()) return {};
  return {static_cast<std::uint8_t>(std::to_integer<std::uint8_t>(input[0]) % of), input.subspan(1)};
}

}  // namespace opaline::fuzz
