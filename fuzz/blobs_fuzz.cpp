// Attachments: the heads of their files, as damaged, and what a stranger asks over HTTP.
#include "crypto/hash.hpp"
#include "fuzz/targets.hpp"
#include "server/blob_http.hpp"
#include "store/drivers/memory_blob_store.hpp"
#include "store/drivers/memory_key_vault.hpp"
#include "store/internal/blob_file.hpp"

namespace opaline::fuzz {
namespace {

using namespace store::internal;

store::BlobTokenHash hash_of(std::byte seed) {
  return store::BlobTokenHash(crypto::sha256({Bytes(32, seed)}));
}

/// Two slots with one release between them.
struct Head {
  Head() {
    older.sequence = 4;
    older.size = 1000;
    older.upload = hash_of(std::byte{1});
    older.releases = {{hash_of(std::byte{2}), false}, {hash_of(std::byte{3}), false}};
    newer = older;
    newer.sequence = 5;
    newer.releases[1].released = true;
    bytes = seal_slot(keys, name, older, random);
    append(bytes, seal_slot(keys, name, newer, random));
  }
  SeededRandom random{1};
  BlobName name = random.id<BlobName>();
  BlobKeys keys{store::DayKey(random.bytes<32>()), name};
  BlobMeta older, newer;
  Bytes bytes;
};

void head(ByteView edits) {
  static const Head good;
  const Bytes changed = edited(good.bytes, edits);
  const auto meta = open_slots(good.keys, good.name, changed);
  if (equal(changed, good.bytes)) OPALINE_ASSERT(meta == good.newer);
  if (meta) OPALINE_ASSERT(*meta == good.newer || *meta == good.older);  // one of them, or nothing
}

void request(ByteView input) {
  if (input.size() < 3) return;
  static constexpr std::string_view kMethods[] = {"GET", "PUT", "POST", "DELETE", "HEAD", "get", "", "OPTIONS"};
  SeededRandom random(1);
  SystemClock clock;
  store::MemoryBlobs disk;
  store::MemoryKeyVault vault(random);
  store::MemoryBlobStore files(disk, vault);
  opaline::blobs::Service service({}, {files, clock, random});
  const auto made =
      service.create(AccountId(random.bytes<16>()), blobs::Uploader::person, 100, {hash_of(std::byte{2})});
  OPALINE_ASSERT(made.has_value());
  const auto choice = std::to_integer<unsigned>(input[0]);
  const auto body = std::min<std::size_t>(std::to_integer<std::size_t>(input[1]), input.size() - 2);
  net::HttpRequest asked;
  asked.method = kMethods[choice % 8];
  asked.body = to_bytes(input.subspan(2, body));
  // With the right name in front, or without.
  asked.target = std::string(server::kBlobsPath) + ((choice & 8) != 0 ? to_base64url(made->id.view()) : "") +
                 to_string(input.subspan(2 + body));
  if ((choice & 16) != 0) asked.headers.push_back({"Opaline-Upload", to_base64url(made->upload.reveal())});
  auto parsed = server::parse_blob_request(std::move(asked));
  bool checkpoint = false;
  auto* const job = std::get_if<server::BlobRequest>(&parsed);
  const auto answer =
      job != nullptr ? server::serve_blob(service, *job, checkpoint) : std::move(std::get<net::HttpResponse>(parsed));
  OPALINE_ASSERT(answer.header("Cache-Control") == "no-store");
  OPALINE_ASSERT(answer.status >= 200 && answer.status < 500 && answer.body.size() <= opaline::blobs::kMaxReadBytes);
  const bool own = (choice & 24) == 24;  // both the name and the token are right
  if (!own) OPALINE_ASSERT(service.progress(made->id, made->upload)->received == 0);
}

}  // namespace

void blobs(ByteView input) {
  const auto [what, rest] = choose(input, 2);
  if (what == 0) return head(rest);
  request(rest);
}

}  // namespace opaline::fuzz
