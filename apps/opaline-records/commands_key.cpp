// Connecting to a service, and the officer's key.
#include <fmt/format.h>

#include "apps/common/files.hpp"
#include "apps/opaline-records/key.hpp"
#include "apps/opaline-records/service.hpp"
#include "apps/opaline/prompt.hpp"
#include "crypto/random.hpp"
#include "records/officer_client.hpp"
#include "records/verify.hpp"

namespace opaline::officer {
namespace {

constexpr std::size_t kMaxAuthorityBytes = 128 * 1024;

/// A fingerprint in groups that people can compare.
std::string grouped(const std::string& hex) {
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 8) out += (i == 0 ? "" : " ") + hex.substr(i, 8);
  return out;
}

}  // namespace

Exit complain(const std::string& sentence) {
  fmt::print(stderr, "opaline-records: {}\n", sentence);
  return Exit::failed;
}

Result<SecretBytes, std::string> passphrase(const Options& options, bool is_new) {
  if (options.passphrase_file) return apps::read_secret(*options.passphrase_file);
  auto asked = is_new ? cli::ask_new_secret("passphrase for your key (12 characters or more)",
                                            records::kMinOfficerPassphraseBytes)
                      : cli::ask_passphrase("Passphrase of your key: ");
  if (!asked) return fail(std::string("there is no terminal to ask for the passphrase: give --passphrase-file FILE"));
  return std::move(*asked);
}

Result<records::OfficerKey, std::string> open_key(const Options& options, const Home& home) {
  auto file = apps::read_file(home.key_file(), 64 * 1024);
  if (!file) return fail(file.error() + ". Make a key with: opaline-records key create");
  OPALINE_TRY(const SecretBytes secret, passphrase(options, false));
  auto key = records::open_officer_key_file(as_view(*file), secret);
  if (!key) return fail(fmt::format("{}: {}", home.key_file().string(), records::sentence(key.error())));
  return std::move(*key);
}

Exit connect(const Options& options) {
  Home home{.directory = options.home};
  home.server = options.server;
  while (home.server.ends_with('/')) home.server.pop_back();
  if (options.authority) {
    auto pem = apps::read_file(*options.authority, kMaxAuthorityBytes);
    if (!pem) return complain(pem.error());
    home.authority_pem = std::move(*pem);
  }
  if (options.token_file) {
    const auto token = apps::read_secret(*options.token_file);
    if (!token) return complain(token.error());
    home.token = to_string(*token);
  } else {
    const auto asked = cli::ask_secret("Your token (opaline_op_...): ");
    if (!asked) return complain("no token was given: --token-file FILE");
    home.token = to_string(*asked);
  }
  const auto told = Service(home).json("GET", "service");
  if (!told) return complain(told.error());
  home.service = field(*told, "/key_sha256");
  home.officer = field(*told, "/officer");
  if (const auto before = load_home(options.home); before && before->service != home.service && !options.yes) {
    return complain(
        fmt::format("{} is known with another key ({}). If it really is another service, take another --home",
                    before->server, before->service));
  }
  fmt::print("Service      {}\nYou are      {}\nIts key      {}\n", field(*told, "/name"), home.officer,
             grouped(home.service));
  if (!options.yes) {
    fmt::print("Compare its key with what the service publishes at https://SERVICE/v1/ledger, or with an owner.\n");
    const auto answer = cli::ask("Is it the same? Type yes: ");
    if (!answer || *answer != "yes") return complain("nothing was kept");
  }
  if (const auto saved = save_home(home); !saved) return complain(saved.error());
  fmt::print("Next: opaline-records key create\n");
  return Exit::ok;
}

Exit key_create(const Options& options) {
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  crypto::SystemRandom random;
  std::error_code error;
  std::optional<records::OfficerKey> key;
  if (std::filesystem::exists(home->key_file(), error)) {
    // An earlier attempt did not come through to the service: the same key again.
    auto opened = open_key(options, *home);
    if (!opened) return complain(opened.error());
    key.emplace(std::move(*opened));
  } else {
    const auto secret = passphrase(options, true);
    if (!secret) return complain(secret.error());
    key.emplace(records::OfficerKey::generate(random));
    const auto file = records::make_officer_key_file(*key, *secret, random);
    if (!file) {
      return complain(file.error() == crypto::Error::out_of_memory
                          ? "there is not enough memory to protect the key (128 MiB)"
                          : std::string(records::sentence(records::KeyFileError::bad_passphrase)));
    }
    if (const auto written = records::write_new_file(home->key_file(), *file); !written)
      return complain(written.error());
  }
  const auto done =
      Service(*home).json("POST", "key", records::registration_body(home->service, home->officer, *key, random));
  if (!done) return complain(done.error());
  fmt::print(
      "Your key     {}\nIt lies in   {}\nKeep a copy of that file in a safe: productions are sealed to it, and there "
      "is no other.\n",
      grouped(records::fingerprint(key->public_key())), home->key_file().string());
  return Exit::ok;
}

Exit key_show(const Options& options) {
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  const auto key = open_key(options, *home);
  if (!key) return complain(key.error());
  fmt::print("{}\n", grouped(records::fingerprint(key->public_key())));
  return Exit::ok;
}

Exit officers(const Options& options) {
  const auto home = load_home(options.home);
  if (!home) return complain(home.error());
  const auto told = Service(*home).json("GET", "officers");
  if (!told) return complain(told.error());
  if (options.json) {
    fmt::print("{}\n", boost::json::serialize(*told));
    return Exit::ok;
  }
  for (const auto& one : told->at("officers").as_array()) {
    fmt::print("{:<20} {} {}\n", field(one, "/name"), field(one, "/registered"), grouped(field(one, "/key_sha256")));
  }
  return Exit::ok;
}

}  // namespace opaline::officer
