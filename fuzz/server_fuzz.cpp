// Backup files: a changed one is refused, and an authentic one of nonsense is an error. Configurations: a value, or
// problems that say what is wrong.
#include "base/codec.hpp"
#include "base/random.hpp"
#include "crypto/aead.hpp"
#include "crypto/argon2.hpp"
#include "crypto/hkdf.hpp"
#include "fuzz/targets.hpp"
#include "server/backup_file.hpp"
#include "server/config.hpp"

namespace opaline::fuzz {
namespace {

using namespace opaline::server;

constexpr crypto::Argon2Cost kCost{.memory_kib = 8, .passes = 1, .lanes = 1};
constexpr std::string_view kPassphrase = "correct horse";

BackupSource source_of(ByteView& file) {
  return [&file](std::span<std::byte> out) -> std::optional<std::size_t> {
    const std::size_t size = std::min(out.size(), file.size());
    std::ranges::copy(file.first(size), out.begin());
    file = file.subspan(size);
    return size;
  };
}

/// How many records there were; nullopt if the file was refused.
std::optional<std::size_t> read_all(ByteView file) {
  auto reader = BackupReader::open(source_of(file), as_view(kPassphrase));
  if (!reader) return std::nullopt;
  for (std::size_t count = 1;; ++count) {
    const auto record = reader->next();
    if (!record) return std::nullopt;
    if (std::holds_alternative<BackupEnd>(*record)) return count;
  }
}

const Bytes& header() {
  static const Bytes bytes = [] {
    Bytes out;
    Writer(out).bytes(as_view("OPALBKP1")).u32(kCost.memory_kib).u32(kCost.passes).u32(kCost.lanes);
    append(out, Bytes(16, std::byte{5}));
    return out;
  }();
  return bytes;
}
/// As the format's description says (server/backup_file.hpp): plaintext in one chunk, or in two that are cut at `at`.
Bytes sealed(ByteView plaintext, std::size_t at) {
  static const auto key = [] {
    Secret<struct FuzzStretchedTag, 32> stretched;
    OPALINE_ASSERT(crypto::argon2id({as_view(kPassphrase), ByteView(header()).last(16)}, kCost, stretched.fill()));
    Secret<struct FuzzKeyTag, 32> out;
    crypto::hkdf(header(), stretched.reveal(), as_view("opaline backup v1"), out.fill());
    return out;
  }();
  Bytes out = header();
  std::uint64_t number = 0;
  const auto chunk = [&](ByteView part, bool last) {
    Bytes nonce;
    Writer(nonce).u64(number++).u8(last ? 1 : 0).u24(0);
    Writer(out).u32(static_cast<std::uint32_t>(part.size() + crypto::kAeadTagBytes));
    crypto::aes256gcm_seal(key.reveal(), to_array<crypto::kAeadNonceBytes>(nonce), {}, part, out);
  };
  at = std::min(at, plaintext.size());
  if (at != 0 && at != plaintext.size()) chunk(plaintext.first(at), false);
  chunk(at == plaintext.size() ? plaintext : plaintext.subspan(at), true);
  return out;
}

void backup_records(ByteView input) {
  if (input.size() < 2 || input.size() > kBackupChunkBytes) return;
  const auto at = std::to_integer<std::size_t>(input[0]);
  const auto whole = read_all(sealed(input.subspan(1), 0));
  OPALINE_ASSERT(whole == read_all(sealed(input.subspan(1), at)));  // chunks are nothing that a record sees
  if (whole) OPALINE_ASSERT(*whole >= 2);                           // info and end
}

const Bytes& backup() {
  static const Bytes file = [] {
    Bytes out;
    SeededRandom random(1);
    auto writer = BackupWriter::start(
        [&out](ByteView bytes) {
          append(out, bytes);
          return true;
        },
        as_view(kPassphrase), kCost, random);
    OPALINE_ASSERT(writer->info({.made = from_unix_millis(5), .server_name = "a.example", .version = "1"}).has_value());
    OPALINE_ASSERT(writer->key("rows", store::VaultKey{}).has_value());
    OPALINE_ASSERT(writer->row("accounts", as_view("key"), as_view("value")).has_value());
    OPALINE_ASSERT(writer->finish().has_value());
    return out;
  }();
  return file;
}

void changed(ByteView edits) {
  const Bytes file = edited(backup(), edits);
  if (!equal(ByteView(file).subspan(8, 12), ByteView(backup()).subspan(8, 12))) return;  // costs: may be gigabytes
  OPALINE_ASSERT(read_all(file).has_value() == equal(file, backup()));
}

void config(ByteView text) {
  const auto read = parse_config(as_text(text), "fuzz.toml", "/etc/opaline");
  if (!read) {
    OPALINE_ASSERT(!read.error().empty());
    for (const ConfigProblem& problem : read.error())
      OPALINE_ASSERT(!problem.message.empty() && !problem.text().empty());
    return;
  }
  for (const auto& path : {read->config.paths.data, read->config.paths.vault}) {
    OPALINE_ASSERT(path.empty() || path.is_absolute());  // an empty one is for check_config() to refuse
  }
  const auto again = parse_config(as_text(text), "fuzz.toml", "/etc/opaline");
  OPALINE_ASSERT(again && again->config == read->config);
}

}  // namespace

void server(ByteView input) {
  const auto [what, rest] = choose(input, 3);
  switch (what) {
    case 0:
      return backup_records(rest);
    case 1:
      return changed(rest);
    default:
      return config(rest);
  }
}

}  // namespace opaline::fuzz
