#include "peers/olm_session.hpp"

#include <olm/olm.h>
#include <openssl/rand.h>

#include <string>

#include "load/die.hpp"

namespace opaline::bench {
namespace {

Bytes random_bytes(std::size_t size) {
  Bytes out(size);
  if (size != 0 && RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(size)) != 1)
    die("no randomness");
  return out;
}

std::size_t must(std::size_t result, const char* what) {
  if (result == olm_error()) die(std::string("libolm: ") + what + " failed");
  return result;
}

struct Account {
  Account() {
    const Bytes seed = random_bytes(olm_create_account_random_length(account));
    must(olm_create_account(account, to_pointer(seed), seed.size()), "olm_create_account");
  }
  static void* to_pointer(const Bytes& bytes) { return const_cast<std::byte*>(bytes.data()); }
  Bytes memory = Bytes(olm_account_size());
  OlmAccount* account = olm_account(memory.data());
};

/// The value behind `"key":"` in libolm's JSON.
std::string value_of(const std::string& json, const std::string& key) {
  const auto begin = json.find("\"" + key + "\":\"") + key.size() + 4;
  return json.substr(begin, json.find('"', begin) - begin);
}

std::string identity_key(const Account& account) {
  std::string json(olm_account_identity_keys_length(account.account), '\0');
  must(olm_account_identity_keys(account.account, json.data(), json.size()), "olm_account_identity_keys");
  return value_of(json, "curve25519");
}

std::string one_time_key(const Account& account) {
  const Bytes seed = random_bytes(olm_account_generate_one_time_keys_random_length(account.account, 1));
  must(olm_account_generate_one_time_keys(account.account, 1, Account::to_pointer(seed), seed.size()), "one-time key");
  std::string json(olm_account_one_time_keys_length(account.account), '\0');
  must(olm_account_one_time_keys(account.account, json.data(), json.size()), "olm_account_one_time_keys");
  return value_of(json, "AAAAAQ");  // the first key's id
}

Bytes encrypt(OlmSession* session, ByteView text) {
  const Bytes seed = random_bytes(olm_encrypt_random_length(session));
  Bytes out(olm_encrypt_message_length(session, text.size()));
  must(olm_encrypt(session, text.data(), text.size(), Account::to_pointer(seed), seed.size(), out.data(), out.size()),
       "olm_encrypt");
  return out;
}

}  // namespace

OlmPair::OlmPair() {
  const Account one, other;
  for (std::size_t side = 0; side < 2; ++side) {
    memory_[side].resize(olm_session_size());
    sessions_[side] = olm_session(memory_[side].data());
  }
  const std::string identity = identity_key(other);
  const std::string one_time = one_time_key(other);
  const Bytes seed = random_bytes(olm_create_outbound_session_random_length(sessions_[0]));
  must(olm_create_outbound_session(sessions_[0], one.account, identity.data(), identity.size(), one_time.data(),
                                   one_time.size(), Account::to_pointer(seed), seed.size()),
       "olm_create_outbound_session");
  Bytes first = encrypt(sessions_[0], as_view("hello"));
  Bytes copy = first;  // both calls destroy their input
  must(olm_create_inbound_session(sessions_[1], other.account, copy.data(), copy.size()), "olm_create_inbound_session");
  Bytes plain(first.size());
  must(olm_decrypt(sessions_[1], OLM_MESSAGE_TYPE_PRE_KEY, first.data(), first.size(), plain.data(), plain.size()),
       "olm_decrypt");
}

bool OlmPair::pass(bool from_one, ByteView text) {
  OlmSession* const from = sessions_[from_one ? 0 : 1];
  OlmSession* const to = sessions_[from_one ? 1 : 0];
  const std::size_t type = olm_encrypt_message_type(from);
  Bytes message = encrypt(from, text);
  Bytes plain(message.size());  // base64 inside: always longer
  const std::size_t size =
      must(olm_decrypt(to, type, message.data(), message.size(), plain.data(), plain.size()), "olm_decrypt");
  return equal(ByteView(plain).first(size), text);
}

}  // namespace opaline::bench
