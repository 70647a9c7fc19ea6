// The operator who lies: changes what the directory of a stopped server says, with the server's own keys and code, so
// that the server then answers with lies like an honest one (liar_test.py).
//
//   lying_directory MODE SERVER_DIR HANDLE HOME SERVER_URL CA_FILE
//
//   swap      HANDLE's account gets another account key, device and mailbox; HOME (made) is the home of that device
//   squat     the same, but the old mailbox stays: the lie is only seen by who asks the directory
//   rollback  HANDLE's account has the device list of before again, its devices stay; HOME is not used
//   forge     the devices stay, their prekeys become another device's, whose home is HOME
#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "client/registration.hpp"
#include "client/sqlite_endpoint_store.hpp"
#include "crypto/random.hpp"
#include "identity/handle.hpp"
#include "identity/internal/directory.hpp"
#include "server/dev.hpp"
#include "server/server.hpp"
#include "store/drivers/file_key_vault.hpp"
#include "store/drivers/rocksdb_row_store.hpp"

namespace opaline {
namespace {

namespace fs = std::filesystem;

template <class T>
T must(T result, const char* what) {
  if (result) return result;
  fmt::print(stderr, "lying_directory: {}\n", what);
  std::exit(1);
}

/// A home that believes to be that account's first device, and what its server has to say of it.
endpoint::Registration make_home(const fs::path& directory, const AccountId& account, std::string_view handle,
                                 const client::Settings& settings, RandomSource& random, const Clock& clock) {
  const client::Home home = *must(client::Home::at(directory), "home");
  const auto store = must(client::LocalStore::create(home, {std::nullopt, home.key_file()}, settings, random), "store");
  client::SqliteEndpointStore rows(*store, random);
  auto made = must(endpoint::Endpoint::create(rows, random, clock, {account, DeviceNumber{1}, random.id<MailboxId>()}),
                   "device");
  must(endpoint::Endpoint::confirm_registration(rows), "confirmation");
  const auto device = must(endpoint::Endpoint::load(rows, random, clock), "device");
  (*device)->set_handle(handle);
  must((*device)->commit_round(), "commit");
  return std::move(*made);
}

/// What registration would have stored for it.
void put_prekeys(identity::internal::Changes& changes, const endpoint::Registration& device) {
  const auto set = must(credentials::parse_prekey_set(device.prekeys.signed_set), "prekey set");
  const auto& [account, number, mailbox] = device.enrolment;
  changes.put(account, number,
              identity::internal::PrekeyRecord{device.prekeys.signed_set, device.prekeys.one_time_batch});
  changes.put(account, number, identity::internal::OneTimeCursor{set->id, 0});
}

int lie(std::span<char*> arguments) {
  const std::string_view mode = arguments[1];
  const fs::path data = fs::path(arguments[2]) / "data";
  crypto::SystemRandom random;
  SystemClock clock;
  NullLog log;

  const auto vault = must(store::FileKeyVault::open({fs::path(arguments[2]) / "vault", std::nullopt}, random), "vault");
  store::RocksdbRowOptions options;
  options.directory = data / server::kRowsDirectory;
  options.tables = server::row_tables();
  const auto rows = must(store::RocksdbRowStore::open(options, log), "rows");
  auto sealed = must(store::SealedRows::open(**rows, **vault, random, server::kSealCheckTable), "seal");
  identity::internal::Directory directory(*sealed);

  const auto account =
      must(directory.account_of(must(identity::normalize_handle(arguments[3]), "handle").value()), "rows");
  must(*account, "nobody has this handle");
  auto record = **must(directory.account(**account), "rows");
  auto device = **must(directory.device(**account, DeviceNumber{1}), "rows");
  if (mode == "rollback") {
    const auto list = must(credentials::load_device_list(record.device_list), "device list");
    const ListNumber before{static_cast<std::uint32_t>(list->list().number) - 1};
    record.device_list =
        must(*must(directory.list(**account, before), "rows"), "there is no list of before")->device_list;
    auto back = directory.changes();
    back.put(**account, record);
    must(directory.write(std::move(back)), "write");
    return 0;
  }
  std::ifstream authority(arguments[6]);
  const auto liar = make_home(arguments[4], **account, arguments[3],
                              {arguments[5], {std::istreambuf_iterator<char>(authority), {}}}, random, clock);

  auto changes = directory.changes();
  put_prekeys(changes, liar);
  if (mode != "forge") {
    const auto list = must(credentials::verify_device_list(liar.device_list), "device list");
    if (mode == "swap") changes.put_removed(device.mailbox, clock.now());
    record.device_list = liar.device_list;
    device.mailbox = liar.enrolment.mailbox;
    device.signing_key = list->list().devices.front().keys.signing;
    changes.put(**account, record).put(**account, DeviceNumber{1}, device);
  }
  must(directory.write(std::move(changes)), "write");
  return 0;
}

}  // namespace
}  // namespace opaline

int main(int argc, char** argv) {
  if (argc != 7) {
    fmt::print(stderr, "usage: lying_directory swap|squat|forge|rollback SERVER_DIR HANDLE HOME SERVER_URL CA_FILE\n");
    return 2;
  }
  return opaline::lie({argv, static_cast<std::size_t>(argc)});
}
