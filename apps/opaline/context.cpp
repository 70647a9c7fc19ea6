#include "apps/opaline/context.hpp"

#include <csignal>
#include <filesystem>

#include "apps/common/files.hpp"
#include "apps/opaline/prompt.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;

/// A sentence that says what to do about an error of the home.
Failure home_failure(ClientError error, const std::string& home) {
  switch (error) {
    case ClientError::not_registered:
      if (std::error_code ignored;
          std::filesystem::exists(std::filesystem::path(home) / "opaline.db", ignored) &&
          std::filesystem::file_size(std::filesystem::path(home) / "opaline.db", ignored) > 0) {
        return {error, "what was begun in " + home +
                           " was not finished, and there is no account in it yet: run opaline register HANDLE, opaline "
                           "link or opaline recovery import (again)"};
      }
      if (std::error_code ignored; std::filesystem::exists(std::filesystem::path(home) / "device.key", ignored)) {
        return {error, "opaline.db in " + home +
                           " is missing or empty, but there is a device.key: if there was an account, put opaline.db "
                           "back from a backup (opaline register HANDLE makes a new one)"};
      }
      return {error, "there is no account in " + home +
                         " yet; make one with: opaline register HANDLE, or link this "
                         "device to yours with: opaline link"};
    case ClientError::registered:
      return {error, "there is an account in " + home + " already"};
    case ClientError::locked:
      return {error, "another opaline process uses " + home + "; wait until it has ended, or stop it"};
    case ClientError::permissions:
      return {error, home + " or its key file can be read by other users; mend that with: chmod -R go= " + home};
    case ClientError::wrong_passphrase:
      return {error, "the passphrase, or the key file " + home +
                         "/device.key, is missing or wrong: it does not open this home"};
    case ClientError::passphrase_needed:
      return {error, home + " is protected by a passphrase; run in a terminal, or give --passphrase-file FILE"};
    case ClientError::store_damaged:
      return {error,
              "the database in " + home + " is damaged; restore it from a backup, or register again in a new --home"};
    case ClientError::store_newer:
      return {error, home + " was written by a newer version of opaline; update this program"};
    case ClientError::store_full:
      return {error, "the disk that holds " + home + " is full"};
    default:
      return {error, home + " cannot be read or written"};
  }
}

}  // namespace

Result<void, Failure> Context::open_home(bool make) {
  std::error_code error;
  if (!make && !std::filesystem::exists(options_.home, error))
    return fail(home_failure(ClientError::not_registered, options_.home));
  auto home = client::Home::at(options_.home);
  if (!home) return fail(home_failure(home.error(), options_.home));
  home_.emplace(std::move(*home));
  return {};
}

Result<client::Unlock, Failure> Context::unlock(bool wants_passphrase, bool is_new) {
  client::Unlock out;
  out.key_file = home_->key_file();
  if (!wants_passphrase) return out;
  if (!options_.passphrase_file.empty()) {
    auto secret = apps::read_secret(options_.passphrase_file);
    if (!secret) return fail(Failure{ClientError::passphrase_needed, std::move(secret).error()});
    out.passphrase = std::move(*secret);
  } else {
    out.passphrase = is_new ? ask_new_secret("passphrase for this home") : ask_passphrase("Passphrase of this home: ");
  }
  if (!out.passphrase || out.passphrase->empty())
    return fail(home_failure(ClientError::passphrase_needed, options_.home));
  return out;
}

Result<client::Settings, Failure> Context::settings_from_options() const {
  client::Settings settings{options_.server, {}};
  if (!options_.authority_file.empty()) {
    auto pem = apps::read_file(options_.authority_file);
    if (!pem) return fail(Failure{ClientError::certificate_rejected, std::move(pem).error()});
    settings.authority = std::move(*pem);
  }
  return settings;
}

Result<void, Failure> Context::open_service() {
  auto settings = store_->settings();
  if (!settings) return fail(home_failure(settings.error(), options_.home));
  OPALINE_TRY(const client::Settings given, settings_from_options());
  if (!given.server.empty()) settings->server = given.server;
  if (!given.authority.empty()) settings->authority = given.authority;
  OPALINE_TRY(service_, client::Service::create(loop_, *settings));
  return {};
}

Result<void, Failure> Context::open_store(bool wants_passphrase) {
  OPALINE_TRY(const client::Unlock key, unlock(wants_passphrase, false));
  auto store = client::LocalStore::open(*home_, key);
  if (!store) return fail(home_failure(store.error(), options_.home));
  store_.emplace(std::move(*store));
  return {};
}

Result<void, Failure> Context::open_to_read() {
  OPALINE_CHECK(open_home(false));
  const auto wants = client::LocalStore::wants_passphrase(*home_);
  if (!wants) return fail(home_failure(wants.error(), options_.home));
  return open_store(*wants);
}

Result<void, Failure> Context::open_to_look() {
  OPALINE_CHECK(open_to_read());
  looked_rows_.emplace(*store_, random_);
  auto device = endpoint::Endpoint::load(*looked_rows_, random_, clock_);
  if (!device && device.error() == endpoint::Error::not_registered)
    return fail(home_failure(ClientError::not_registered, options_.home));
  if (!device) return fail(client::failure_of(device.error()));
  looked_ = std::move(*device);
  return {};
}

Result<void, Failure> Context::open_beside() {
  OPALINE_CHECK(open_to_read());
  return open_service();
}

void Context::close_home() {
  personas_.reset();
  client_.reset();
  service_.reset();
  store_.reset();
  lock_.reset();
  home_.reset();
}

Result<void, Failure> Context::take_lock() {
  auto lock = home_->lock();
  if (!lock) return fail(home_failure(lock.error(), options_.home));
  lock_.emplace(std::move(*lock));
  return {};
}

Result<void, Failure> Context::open() {
  OPALINE_CHECK(open_home(false));
  const auto wants = client::LocalStore::wants_passphrase(*home_);
  if (!wants) return fail(home_failure(wants.error(), options_.home));
  OPALINE_CHECK(take_lock());
  OPALINE_CHECK(open_store(*wants));
  OPALINE_CHECK(open_service());
  return load_client();
}

Result<void, Failure> Context::take() {
  OPALINE_CHECK(take_lock());
  if (!service_) OPALINE_CHECK(open_service());
  return load_client();
}

void Context::lend() {
  finish(std::chrono::milliseconds(500));  // what is not done by then is in the store
  personas_.reset();
  client_.reset();
  lock_.reset();
  last_link_failure_.reset();
}

Result<void, Failure> Context::open_for_registration(bool with_passphrase) {
  OPALINE_CHECK(open_home(true));
  if (auto locked = take_lock(); !locked) {
    if (locked.error().error != ClientError::locked) return locked;
    return fail(Failure{ClientError::locked,
                        "another opaline process uses " + options_.home + "; stop `opaline receive --follow` first"});
  }
  OPALINE_TRY(const client::Settings settings, settings_from_options());
  const auto wants = client::LocalStore::wants_passphrase(*home_);
  if (wants) {  // an earlier registration that was not finished, or one that was: the endpoint knows
    OPALINE_CHECK(open_store(*wants));
    auto saved = store_->settings();
    if (!saved) return fail(home_failure(saved.error(), options_.home));
    if (!settings.server.empty()) saved->server = settings.server;
    if (!settings.authority.empty()) saved->authority = settings.authority;
    if (const auto done = store_->save(*saved); !done) return fail(home_failure(done.error(), options_.home));
    return open_service();
  }
  if (wants.error() != ClientError::not_registered) return fail(home_failure(wants.error(), options_.home));
  if (settings.server.empty())
    return fail(Failure{ClientError::server_unknown, "which server? Name it with --server https://HOST[:PORT]"});
  OPALINE_TRY(const client::Unlock key, unlock(with_passphrase || !options_.passphrase_file.empty(), true));
  auto store = client::LocalStore::create(*home_, key, settings, random_);
  if (!store) return fail(home_failure(store.error(), options_.home));
  store_.emplace(std::move(*store));
  return open_service();
}

Result<void, Failure> Context::load_client() {
  client::Client::Events events;
  events.on_event = [this](const endpoint::Event& event) {
    if (personas_) personas_->account_event(event);
    on_event(event);
  };
  events.on_link = [this](const Failure* why) {
    if (why != nullptr) last_link_failure_ = *why;
    if (why == nullptr && personas_) personas_->account_online();
    on_link(why);
  };
  events.on_drained = [this] { drained_ = true; };
  events.on_fatal = [this](const Failure& why) { fatal_ = why; };
  auto client = client::Client::open(loop_, clock_, random_, *store_, *service_, std::move(events));
  if (!client) {
    if (client.error().error == ClientError::not_registered)
      return fail(home_failure(ClientError::not_registered, options_.home));
    return fail(client.error());
  }
  client_ = std::move(*client);
  client::Personas::Events of_businesses;
  of_businesses.on_event = [this](const AccountId& business, const endpoint::Event& event) {
    on_business_event(business, event);
  };
  personas_ = std::make_unique<client::Personas>(
      client::Personas::Parts{loop_, clock_, random_, *home_, *store_, *service_, *client_}, std::move(of_businesses));
  return {};
}

/// From here on SIGINT and SIGTERM end what runs in good order. Before the first connection, which may start a thread;
/// not earlier, so that they end a question at the terminal at once.
void Context::take_signals() {
  if (std::exchange(signals_, true)) return;
  for (const int number : {SIGINT, SIGTERM})
    (void)loop_.on_signal(number, [this] { interrupted_ = true; });  // without it the signal just ends the program
}

bool Context::wait(std::chrono::milliseconds within, const std::function<bool()>& done) {
  take_signals();
  bool late = false;
  connection_wait_.arm(within, [&late] { late = true; });
  loop_.run_until([&] { return late || interrupted_ || fatal_ || done(); });
  connection_wait_.cancel();
  return done();
}

Result<void, Failure> Context::connect(std::chrono::milliseconds within) {
  take_signals();
  client_->start();
  wait(within, [this] { return client_->online() || last_link_failure_.has_value(); });
  if (client_->online()) return {};
  if (fatal_) return fail(*fatal_);
  if (last_link_failure_) return fail(*last_link_failure_);
  return fail(Failure{ClientError::timed_out, "the server did not answer in time"});
}

void Context::finish(std::chrono::milliseconds within) {
  if (!client_) return;
  if (client_->online()) wait(within, [this] { return client_->settled() && personas_->settled(); });
  personas_->stop();
  bool down = !client_->online();
  on_link = [&down](const Failure* why) { down = down || why != nullptr; };
  client_->stop();
  wait(std::chrono::seconds(2), [&] { return down && personas_->offline(); });
  on_link = [](const Failure*) {};
}

}  // namespace opaline::cli
