#pragma once
// Accounts for load: registered through the public API as any device registers, kept in a file so that several
// programs can use them. Their keys protect nothing.
#include <filesystem>
#include <vector>

#include "load/tls_stream.hpp"
#include "session/identity.hpp"

namespace opaline::bench {

struct Account {
  AccountId account;
  DeviceNumber device{};
  MailboxId mailbox;
  session::DeviceIdentity identity;
};

/// Where a server is and how to read its codes: the files of `opalined --dev`.
struct Service {
  Target target;
  SSL_CTX* context = nullptr;
  std::filesystem::path outbox;
};

/// Registers `count` accounts over one keep-alive connection. Each gets one device and prekeys without one-time keys.
/// Blocking. Ends the program on the first refusal.
[[nodiscard]] std::vector<Account> register_accounts(const Service& service, std::size_t count);

/// One line of hexadecimal an account.
void save_accounts(const std::filesystem::path& file, const std::vector<Account>& accounts);
[[nodiscard]] std::vector<Account> load_accounts(const std::filesystem::path& file);

}  // namespace opaline::bench
