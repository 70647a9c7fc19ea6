// `opaline recovery`: the account key in a file under a passphrase, for the day when the primary device is lost.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "apps/common/files.hpp"
#include "apps/opaline/call.hpp"
#include "apps/opaline/devices.hpp"
#include "apps/opaline/prompt.hpp"
#include "base/fault_point.hpp"
#include "client/recovering.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Failure;
using namespace std::chrono_literals;

/// The passphrase of a recovery file: from a file, or from the terminal (twice where it is new).
Result<SecretBytes, Failure> passphrase(const RecoveryArguments& arguments, bool is_new) {
  std::optional<SecretBytes> out;
  if (!arguments.passphrase_file.empty()) {
    auto secret = apps::read_secret(arguments.passphrase_file);
    if (!secret) return fail(Failure{ClientError::passphrase_needed, std::move(secret).error()});
    out = std::move(*secret);
  } else {
    out = is_new ? ask_new_secret("passphrase for the recovery file (12 characters or more)",
                                  session::kMinRecoveryPassphraseBytes)
                 : ask_passphrase("Passphrase of the recovery file: ");
  }
  if (!out && can_ask())
    return fail(Failure{ClientError::passphrase_needed,
                        "three times no passphrase was typed twice alike, of 12 characters or more; nothing was done"});
  if (!out)
    return fail(
        Failure{ClientError::passphrase_needed,
                "a recovery file has a passphrase; run in a terminal, or give --recovery-passphrase-file FILE"});
  if (!session::is_recovery_passphrase(*out))
    return fail(Failure{ClientError::passphrase_needed, "the passphrase of a recovery file has 12 to 1,024 bytes"});
  return std::move(*out);
}

constexpr std::string_view kBegin = "opaline recovery";  // of every recovery file (docs/protocol.md)

/// Whether a file is what an export that was killed has left: the beginning of a recovery file, or nothing.
bool is_left_over(const std::string& path) {
  if (struct stat info{}; ::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  const auto begun = apps::read_file(path);
  return begun && kBegin.starts_with(std::string_view(*begun).substr(0, kBegin.size()));
}

/// Gives a finished file its name. Without `force` it fails where something has come there meanwhile.
bool place(const std::string& fresh, const std::string& path, bool force) {
  if (force) return ::rename(fresh.c_str(), path.c_str()) == 0;
  if (::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return true;
  // A file system that cannot do that may know links (and a memory stick's knows none).
  if (errno != EINVAL || ::link(fresh.c_str(), path.c_str()) != 0) return false;
  ::unlink(fresh.c_str());
  return true;
}

/// Writes beside the target and moves it there once it is on the disk: there is never half a file.
Result<void, Failure> write_private(const std::string& path, ByteView bytes, bool force) {
  const auto cannot = [&path] {
    return fail(Failure{ClientError::store_failed, fmt::format("cannot write {}: {}", path, std::strerror(errno))});
  };
  if (struct stat info{}; !force && ::lstat(path.c_str(), &info) == 0)
    return fail(Failure{ClientError::store_failed, path + " is there already; --force replaces it"});
  const std::string fresh = path + ".new";
  if (is_left_over(fresh)) ::unlink(fresh.c_str());
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 && errno == EEXIST)
    return fail(Failure{ClientError::store_failed, fresh + " is in the way; remove it, or name another file"});
  if (fd < 0) return cannot();
  fault_point("recovery.before_file");
  const auto begun = ::write(fd, bytes.data(), bytes.size());
  const bool written = begun == static_cast<ssize_t>(bytes.size()) && ::fsync(fd) == 0;
  if (begun >= 0 && begun < static_cast<ssize_t>(bytes.size())) errno = ENOSPC;
  fault_point("recovery.after_file");
  if (!written || !place(fresh, path, force)) {
    const int why = errno;
    ::close(fd);
    ::unlink(fresh.c_str());
    errno = why;
    return cannot();
  }
  ::close(fd);
  fault_point("recovery.after_name");
  return {};
}

Result<session::Recovery, Failure> read_recovery(const RecoveryArguments& arguments) {
  std::error_code why;
  const auto size = std::filesystem::file_size(arguments.file, why);
  if (why) return fail(Failure{ClientError::bad_recovery_file, "cannot read " + arguments.file + ": " + why.message()});
  // Before anything is asked: it may be the wrong file.
  if (size > session::kMaxRecoveryFileBytes) return fail(client::recovery_failure(session::Error::wrong_kind));
  const auto file = apps::read_file(arguments.file);
  if (!file) return fail(Failure{ClientError::bad_recovery_file, file.error()});
  if (!file->starts_with(kBegin)) return fail(client::recovery_failure(session::Error::wrong_kind));
  OPALINE_TRY(const SecretBytes secret, passphrase(arguments, false));
  auto recovery = session::open_recovery_file(as_view(*file), secret);
  if (!recovery) return fail(client::recovery_failure(recovery.error()));
  return std::move(*recovery);
}

/// Waits for the answer to a change of the list.
bool list_taken(Context& context) {
  bool refused = false;
  context.on_event = [&refused](const endpoint::Event& event) {
    refused = refused || std::holds_alternative<endpoint::DeviceChangeRefused>(event);
  };
  context.wait(kAnswerWithin, [&] { return refused || !context.client().device().list_change_pending(); });
  context.on_event = [](const endpoint::Event&) {};
  return !refused && !context.client().device().list_change_pending();
}

Exit report(Context& context, const std::string& handle, const client::Recovering::Outcome& outcome = {}) {
  const auto& address = context.client().device().address();
  const auto device = static_cast<std::uint32_t>(address.device);
  boost::json::object line{
      {"event", "recovered"}, {"handle", handle}, {"account", address.account.hex()}, {"device", device}};
  for (const DeviceNumber lost : outcome.lost)
    line.emplace("forgotten", boost::json::array())
        .first->value()
        .as_array()
        .push_back(static_cast<std::uint32_t>(lost));
  context.output().line(
      line,
      fmt::format("This is device {} of {} now, and its primary one. The device that wrote the file is none any more.",
                  device, printable(as_view(handle))));
  if (outcome.set_back)
    context.output().hint(
        "The server had an older list of your devices than the recovery file: it was restored from a copy. It has the "
        "file's now.");
  for (const DeviceNumber lost : outcome.lost)
    context.output().hint(
        fmt::format("It did not know device {}, which is on your list no more; on that device: opaline link in a new "
                    "--home.",
                    static_cast<std::uint32_t>(lost)));
  context.output().hint(
      "Contacts see no change of who you are. Make a new recovery file: the old one names the old devices.");
  context.finish(10s);
  return Exit::ok;
}

/// A device of the account takes the primary one's place.
Exit become_primary(Context& context, const RecoveryArguments& arguments) {
  if (const auto ready = open_and_connect(context); !ready) return failed(context, ready.error());
  const auto recovery = read_recovery(arguments);
  if (!recovery) return failed(context, recovery.error());
  endpoint::Endpoint& device = context.client().device();
  if (recovery->list.list().account != device.address().account)
    return failed(context, {ClientError::bad_recovery_file, "this recovery file is of another account"});
  if (const auto primary = device.is_primary(); primary && *primary)
    return failed(context, {ClientError::registered, "this is the primary device already"});
  std::optional<Result<void, endpoint::Error>> staged;
  const auto changed = context.client().change(
      [&](endpoint::Endpoint& d) { staged = d.become_primary(recovery->account_key, recovery->primary); });
  if (!*staged) return failed(context, client::failure_of(staged->error()));
  if (!changed) return failed(context, changed.error());
  if (!list_taken(context))
    return failed(context, {ClientError::list_busy,
                            "this device has the account key now, but the former primary device is still on the list; "
                            "remove it when the server is reached: opaline devices remove N"});
  const auto handle = own_handle(context);
  if (!handle) return failed(context, handle.error());
  return report(context, *handle);
}

}  // namespace

Exit run_recovery_export(Context& context, const RecoveryArguments& arguments) {
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  endpoint::Endpoint& device = context.client().device();
  const auto key = device.account_key();
  if (!key) return failed(context, client::failure_of(key.error()));
  const auto list = device.own_list();
  if (!list) return failed(context, client::failure_of(list.error()));
  const auto secret = passphrase(arguments, true);
  if (!secret) return failed(context, secret.error());
  std::vector<std::string> handles;  // for the person who reads the file one day; not needed
  if (context.connect(kAnswerWithin)) {
    if (const auto account = call<wire::v1::AccountReply>(context, wire::v1::METHOD_ACCOUNT, wire::v1::Empty()))
      for (const auto& handle : account->handles())
        if (handles.size() < session::kMaxRecoveryHandles) handles.push_back(handle);
  }
  const auto file = session::make_recovery_file({.account_key = *key,
                                                 .list = *list,
                                                 .primary = device.address().device,
                                                 .created = context.clock().now(),
                                                 .handles = {handles.begin(), handles.end()}},
                                                *secret, context.random());
  if (!file) return failed(context, client::recovery_failure(file.error()));
  if (const auto written = write_private(arguments.file, *file, arguments.force); !written)
    return failed(context, written.error());
  context.output().line({{"event", "recovery_exported"}, {"file", arguments.file}},
                        fmt::format("The recovery file is {}. Keep it away from this device, and its passphrase away "
                                    "from it: who has both has your account.",
                                    arguments.file));
  context.finish(2s);
  return Exit::ok;
}

Exit run_recovery_import(Context& context, const RecoveryArguments& arguments) {
  if (const auto opened = context.open_for_registration(arguments.passphrase); !opened)
    return failed(context, opened.error());
  const auto unfinished = client::Recovering::unfinished(context.store(), context.random());
  if (!unfinished) return failed(context, {unfinished.error(), "the local store could not be read"});
  const bool loaded = [&] {
    client::SqliteEndpointStore rows(context.store(), context.random());
    return endpoint::Endpoint::load(rows, context.random(), context.clock()).has_value();
  }();
  if (loaded && !*unfinished) {
    context.close_home();
    return become_primary(context, arguments);
  }
  client::Recovering::Outcome outcome;
  if (!loaded) {
    client::SqliteEndpointStore rows(context.store(), context.random());
    client::Recovering recovering(
        {context.loop(), context.service(), context.store(), rows, context.random(), context.clock()});
    const auto before = recovering.resume();
    if (!before) return failed(context, before.error());
    if (!*before) {
      const auto recovery = read_recovery(arguments);
      if (!recovery) return failed(context, recovery.error());
      auto done = recovering.run(*recovery);
      if (!done) return failed(context, done.error());
      outcome = std::move(*done);
    }
  }
  if (const auto ready = context.load_client(); !ready) return failed(context, ready.error());
  if (const auto reached = context.connect(kAnswerWithin); !reached) return failed(context, reached.error());
  const auto handle = own_handle(context);
  if (!handle) return failed(context, handle.error());
  // The person's other devices have what this one lacks.
  if (const auto asked = context.client().change([](endpoint::Endpoint& device) {
        device.set_device_name(client::default_device_name());
        device.ask_history(Time{});
      });
      !asked)
    return failed(context, asked.error());
  if (const auto done = client::Recovering::finish(context.store(), context.random()); !done)
    return failed(context, {done.error(), "the local store could not be written"});
  if (context.client().device().own_devices().size() > 1)
    context.output().hint("Your other devices were asked for messages and contacts: opaline receive");
  else
    context.output().hint("There was no other device: messages and contacts of before are not here.");
  return report(context, *handle, outcome);
}

}  // namespace opaline::cli
