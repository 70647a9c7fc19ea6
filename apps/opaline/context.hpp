#pragma once
// What every command needs: where the home is, how it is opened, and a client that runs.
#include <optional>
#include <string>

#include "apps/opaline/output.hpp"
#include "client/personas.hpp"
#include "crypto/random.hpp"

namespace opaline::cli {

/// Exit codes (docs/cli.md).
enum class Exit : int { ok = 0, failed = 1, usage = 2, queued = 3 };

struct GlobalOptions {
  std::string home;
  std::string server;
  std::string authority_file;
  std::string passphrase_file;
  bool json = false;
};

/// The home, opened. Members are declared in the order in which they depend on each other.
class Context {
 public:
  Context(const GlobalOptions& options, Output& output)
      : options_(options), output_(output), loop_(clock_), connection_wait_(loop_) {}

  /// Opens an existing home (asking for its passphrase if it wants one), takes its lock, and loads the device.
  [[nodiscard]] Result<void, client::Failure> open();
  /// Opens the store alone, to read what is in it, also while another process uses the home.
  [[nodiscard]] Result<void, client::Failure> open_to_read();
  /// The same, and the device as it is there: looked() works, and nothing is written.
  [[nodiscard]] Result<void, client::Failure> open_to_look();
  [[nodiscard]] endpoint::Endpoint& looked() { return *looked_; }
  /// Opens the store and the service, but no device: for what works beside a process that has the home.
  [[nodiscard]] Result<void, client::Failure> open_beside();
  [[nodiscard]] bool has_client() const { return client_ != nullptr; }
  /// Forgets an opened home, so that it can be opened in another way.
  void close_home();
  /// After open_to_read, or after lend: takes the lock and loads the device. locked: another process has it still.
  [[nodiscard]] Result<void, client::Failure> take();
  /// Lets the device and the lock go, so that another process can have the home; the store stays open to be read.
  void lend();
  /// The same for `register`: makes the store if there is none. `with_passphrase` asks for a new one.
  [[nodiscard]] Result<void, client::Failure> open_for_registration(bool with_passphrase);
  /// Loads the device and builds the client. After open or a registration.
  [[nodiscard]] Result<void, client::Failure> load_client();
  /// Connects and waits until the server is reached: a reason why it was not within `within`.
  [[nodiscard]] Result<void, client::Failure> connect(std::chrono::milliseconds within);
  /// Lets the outbox go, says goodbye to the server.
  void finish(std::chrono::milliseconds within);
  /// Runs the loop until `done` or the time is over (or a signal); false then.
  bool wait(std::chrono::milliseconds within, const std::function<bool()>& done);

  [[nodiscard]] const GlobalOptions& options() const { return options_; }
  [[nodiscard]] Output& output() { return output_; }
  [[nodiscard]] net::EventLoop& loop() { return loop_; }
  [[nodiscard]] client::Client& client() { return *client_; }
  /// With the client. They connect when something is asked of them, or by Personas::start.
  [[nodiscard]] client::Personas& personas() { return *personas_; }
  [[nodiscard]] client::Service& service() { return *service_; }
  [[nodiscard]] const client::LocalStore& store() const { return *store_; }
  [[nodiscard]] const client::Home& home() const { return *home_; }
  [[nodiscard]] const Clock& clock() const { return clock_; }
  [[nodiscard]] RandomSource& random() { return random_; }
  [[nodiscard]] bool drained() const { return drained_; }
  /// True after SIGINT or SIGTERM.
  [[nodiscard]] bool interrupted() const { return interrupted_; }
  /// Called for each event of the device.
  std::function<void(const endpoint::Event&)> on_event = [](const endpoint::Event&) {};
  /// The same of a persona's device.
  std::function<void(const AccountId& business, const endpoint::Event&)> on_business_event = [](const AccountId&,
                                                                                                const auto&) {};
  std::function<void(const client::Failure*)> on_link = [](const client::Failure*) {};
  [[nodiscard]] const std::optional<client::Failure>& fatal() const { return fatal_; }

 private:
  void take_signals();
  [[nodiscard]] Result<void, client::Failure> open_home(bool make);
  [[nodiscard]] Result<client::Unlock, client::Failure> unlock(bool wants_passphrase, bool is_new);
  [[nodiscard]] Result<void, client::Failure> open_store(bool wants_passphrase);
  [[nodiscard]] Result<void, client::Failure> open_service();
  [[nodiscard]] Result<void, client::Failure> take_lock();
  [[nodiscard]] Result<client::Settings, client::Failure> settings_from_options() const;

  const GlobalOptions& options_;
  Output& output_;
  SystemClock clock_;
  crypto::SystemRandom random_;
  net::EventLoop loop_;
  std::optional<client::Home> home_;
  std::optional<client::Home::Lock> lock_;
  std::optional<client::LocalStore> store_;
  std::optional<client::SqliteEndpointStore> looked_rows_;
  std::unique_ptr<endpoint::Endpoint> looked_;
  std::unique_ptr<client::Service> service_;
  std::unique_ptr<client::Client> client_;
  std::unique_ptr<client::Personas> personas_;
  net::Timer connection_wait_;
  std::optional<client::Failure> fatal_, last_link_failure_;
  bool drained_ = false, interrupted_ = false, signals_ = false;
};

}  // namespace opaline::cli
