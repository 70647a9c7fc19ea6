// Sending files, saving what came, giving up what is on its way.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/business.hpp"
#include "apps/opaline/commands.hpp"
#include "apps/opaline/files.hpp"
#include "base/fault_point.hpp"
#include "base/utf8.hpp"
#include "msp/payload.hpp"
#include "wire/contents.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Entry;
using client::Failure;
using client::Upload;
using client::UploadId;
using namespace std::chrono_literals;

constexpr auto kConnectWithin = 15s;
constexpr auto kLongest = 24h * 30;  // what is worth waiting for ends by itself

Result<std::vector<client::LocalFile>, Failure> look_at_all(const std::vector<std::string>& paths) {
  if (paths.size() > wire::kMaxAttachments)
    return fail(Failure{ClientError::bad_attachment, "a message has at most 8 files"});
  std::vector<client::LocalFile> out;
  for (const std::string& path : paths) {
    OPALINE_TRY(auto file, client::look_at(path));
    out.push_back(std::move(file));
  }
  return out;
}

Result<void, Failure> check_text(std::string_view text) {
  if (text.size() > wire::kMaxTextBytes) return fail(client::failure_of(endpoint::Error::too_large));
  if (!is_utf8(as_view(text))) return fail(client::failure_of(endpoint::Error::bad_text));
  return {};
}

Upload new_upload(Context& context, const AccountId& peer, const std::string& to, std::string_view text) {
  Upload out;
  out.id = context.random().id<UploadId>();
  out.peer = peer;
  out.to = to.substr(0, client::kMaxToBytes);
  out.text = to_secret_bytes(as_view(text));
  out.at = context.clock().now();
  return out;
}

/// Encrypts all files into the home and accepts the message: from here on it goes out, whatever is killed.
Result<UploadId, Failure> accept(Context& context, const client::Home& home, const client::LocalStore& store,
                                 const AccountId& peer, const SendArguments& arguments, std::string_view text,
                                 const std::vector<client::LocalFile>& files) {
  const auto folder = client::home_folder(home, "outgoing");
  if (!folder) return fail(Failure{folder.error(), context.options().home + " cannot be written; nothing was sent"});
  Upload upload = new_upload(context, peer, arguments.to, text);
  ProgressBar bar(context.output(), true);
  std::vector<client::OpenFile> held;  // locked until the message is accepted
  const auto discard = [&] {
    for (const auto& file : upload.files) std::filesystem::remove(*folder / file.spool);
  };
  for (const client::LocalFile& file : files) {
    auto sealed = client::seal(file, *folder, context.random(), [&](std::uint64_t done) {
      bar.show("encrypting", upload.id.hex(), file.name, done, file.size_bytes);
      context.loop().run_once(0s);  // pings are answered, and Ctrl-C is heard
      return !context.interrupted();
    });
    bar.clear();
    if (!sealed) {
      discard();
      return fail(sealed.error());
    }
    upload.files.push_back({std::move(sealed->attachment), std::move(sealed->spool), {}, {}, false});
    held.push_back(std::move(sealed->file));
  }
  fault_point("files.after_spool");
  const client::Transfers transfers(store, context.random());
  if (const auto added = transfers.add(upload); !added) {
    discard();
    return fail(Failure{added.error(), "the local store could not be written; nothing was sent"});
  }
  fault_point("files.after_accepted");
  return upload.id;
}

/// Another process of this home is connected: it finds the account and uploads; the files are encrypted here.
Exit send_beside(Context& context, const SendArguments& arguments, const std::string& text,
                 const std::vector<client::LocalFile>& files) {
  context.close_home();
  if (const auto opened = context.open_beside(); !opened) return failed(context, opened.error());
  const auto peer = resolve_through_agent(context, arguments.to);
  if (!peer) return failed(context, peer.error());
  const auto id = accept(context, context.home(), context.store(), *peer, arguments, text, files);
  if (!id) return failed(context, id.error());
  return send_through_agent(context, {.to = arguments.to,
                                      .text = "",
                                      .until = *state_by_name(arguments.until),
                                      .wait = seconds(arguments.wait_seconds),
                                      .upload = id->hex()});
}

/// Uploads over the persona's own connection, and reports as `send` does. `queued`: it has become this message.
Exit go_up(Context& context, const client::PersonaHome& home, const UploadId& id, const SendArguments& arguments,
           const std::function<void(const MessageId&)>& queued) {
  Files moving(context, true, &home);
  moving.start();
  context.wait(kLongest, [&] { return moving.queued(id).has_value() || !moving.busy(); });
  if (const auto message = moving.queued(id)) {
    queued(*message);
    return report_message(context, *message, arguments, true);
  }
  moving.stop();
  const auto upload = moving.transfers().upload(id);
  context.finish(2s);
  if (!upload || !*upload) return failed(context, {ClientError::store_failed, "the local store could not be read"});
  context.output().line(upload_json(**upload), upload_text(**upload));
  return is_final((*upload)->reason) ? Exit::failed : Exit::queued;
}

/// The same over the persona's own connection, from the business's own home.
Exit send_to_business(Context& context, const SendArguments& arguments, const std::string& text,
                      const std::vector<client::LocalFile>& files) {
  if (const auto opened = open_or_borrow(context); !opened) return failed(context, opened.error());
  const auto reached = context.connect(kConnectWithin);
  if (!reached) return failed(context, reached.error());
  const auto home = ready_for(context, arguments.to);
  if (!home) {
    context.finish(1s);
    return failed(context, home.error());
  }
  const auto id = accept(context, (*home)->home(), (*home)->store(), (*home)->business(), arguments, text, files);
  if (!id) {
    context.finish(2s);
    return failed(context, id.error());
  }
  return go_up(context, **home, *id, arguments, [](const MessageId&) {});
}

}  // namespace

Exit send_large_answer(Context& context, const AccountId& business, const MessageId& question, std::string_view title,
                       ByteView json) {
  const std::string urn = client::business_urn(business);
  const bool reached = context.client().online();
  const auto home = reached ? ready_for(context, urn) : context.personas().home(business);
  if (!home) {
    context.finish(1s);
    return failed(context, home.error());
  }
  const auto stop = [&](const Failure& why) {
    context.finish(2s);
    return failed(context, why);
  };
  const auto folder = client::home_folder((*home)->home(), "outgoing");
  if (!folder) return stop({folder.error(), context.options().home + " cannot be written; nothing was sent"});
  auto sealed =
      client::seal(msp::pack_payload(json), "interactive.json.gz", "application/gzip", *folder, context.random());
  if (!sealed) return stop(sealed.error());
  Upload upload = new_upload(context, business, urn, title);
  upload.answers = question;
  upload.files.push_back({std::move(sealed->attachment), std::move(sealed->spool), {}, {}, false});
  const client::Transfers transfers((*home)->store(), context.random());
  if (const auto added = transfers.add(upload); !added) {
    std::filesystem::remove(*folder / upload.files[0].spool);
    return stop({added.error(), "the local store could not be written; nothing was sent"});
  }
  if (!reached) {
    context.output().line(upload_json(upload), upload_text(upload));
    return Exit::queued;
  }
  SendArguments arguments;
  arguments.to = urn;
  return go_up(context, **home, upload.id, arguments, [&](const MessageId& message) {
    (void)(*home)->set_part_file(message, json);  // else `receive` fetches it back
  });
}

Exit report_upload(Context& context, const UploadId& id) {
  const auto upload = client::Transfers(context.store(), context.random()).upload(id);
  if (!upload) return failed(context, {upload.error(), "the local store could not be read"});
  if (!*upload) return failed(context, {ClientError::refused, "it was cancelled"});
  context.output().line(upload_json(**upload), upload_text(**upload));
  return is_final((*upload)->reason) ? Exit::failed : Exit::queued;
}

Exit run_send_files(Context& context, const SendArguments& arguments, const std::string& text) {
  const auto files = look_at_all(arguments.files);
  if (!files) return failed(context, files.error());
  if (const auto sound = check_text(text); !sound) return failed(context, sound.error());
  if (names_business(arguments.to)) return send_to_business(context, arguments, text, *files);
  const auto opened = open_or_find_agent(context);
  if (!opened) return failed(context, opened.error());
  if (*opened == Opened::followed) return send_beside(context, arguments, text, *files);
  const auto reached = context.connect(kConnectWithin);
  if (!reached && context.fatal()) return failed(context, reached.error());
  const auto peer =
      await<AccountId>(context, kConnectWithin, [&](auto done) { context.client().resolve(arguments.to, done); });
  if (!peer) return failed(context, peer.error());
  endpoint::Endpoint& device = context.client().device();
  const auto status = device.peer_status(*peer);
  if (*peer == device.address().account) return failed(context, client::failure_of(endpoint::Error::to_self));
  if (status && status->blocked) return failed(context, client::failure_of(endpoint::Error::blocked));
  const auto id = accept(context, context.home(), context.store(), *peer, arguments, text, *files);
  if (!id) {
    context.finish(2s);
    return failed(context, id.error());
  }
  Files moving(context, true);
  moving.start();
  if (reached) context.wait(kLongest, [&] { return moving.queued(*id).has_value() || !moving.busy(); });
  const auto message = moving.queued(*id);
  if (message) return report_message(context, *message, arguments, reached.has_value());
  moving.stop();
  context.finish(2s);
  return report_upload(context, *id);
}

// ---- what came

namespace {

/// The messages with files whose id begins so.
Result<std::vector<Entry>, ClientError> find_messages(Context& context, const std::string& begin,
                                                      const std::string& from) {
  const client::Contacts contacts(context.store(), context.random());
  client::History::Filter filter;
  if (!from.empty()) {
    OPALINE_TRY(filter.peers, contacts.accounts_of(from));
    if (const auto id = AccountId::from_hex(from)) filter.peers.push_back(*id);
    if (filter.peers.empty()) return std::vector<Entry>();
  }
  OPALINE_TRY(auto ids, client::History(context.store()).with_files(begin));
  std::vector<Entry> out;
  for (Entry& entry : ids)
    if (filter.peers.empty() || std::ranges::find(filter.peers, entry.peer) != filter.peers.end())
      out.push_back(std::move(entry));
  return out;
}

}  // namespace

/// The same in the conversations with businesses; `business` becomes the home of the one that has it.
Result<void, Failure> find_of_businesses(Context& context, const SaveArguments& arguments, std::vector<Entry>& found,
                                         std::unique_ptr<client::PersonaHome>& business) {
  std::optional<AccountId> only;
  if (!arguments.from.empty()) {
    OPALINE_TRY(const msp::EntryLink link, parse_business(arguments.from));
    only = business_of(link);
  }
  for (auto& home : business_homes(context)) {
    if (only && home->business() != *only) continue;
    auto entries = client::History(home->store()).with_files(arguments.message);
    if (!entries) return fail(history_failure(context, entries.error()));
    if (entries->empty()) continue;
    std::ranges::move(*entries, std::back_inserter(found));
    business = std::move(home);
  }
  return {};
}

bool is_id_begin(std::string_view text) {
  return text.size() >= 4 && text.size() <= 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Exit run_save(Context& context, const SaveArguments& arguments) {
  if (!is_id_begin(arguments.message))
    return failed(context, {ClientError::bad_text,
                            "'" + arguments.message + "' is no message id: opaline history shows it beside each file"});
  if (const auto opened = context.open_beside(); !opened) return failed(context, opened.error());
  std::unique_ptr<client::PersonaHome> business;  // whose message it is; none: a person's
  auto found = names_business(arguments.from) ? Result<std::vector<Entry>, ClientError>(std::vector<Entry>())
                                              : find_messages(context, arguments.message, arguments.from);
  if (!found) return failed(context, history_failure(context, found.error()));
  if (arguments.from.empty() || names_business(arguments.from)) {
    if (const auto added = find_of_businesses(context, arguments, *found, business); !added)
      return failed(context, added.error());
  }
  if (found->empty())
    return failed(context, {ClientError::unknown_peer, "no message here with files has an id that begins with " +
                                                           arguments.message + " (opaline history)"});
  if (found->size() > 1)
    return failed(context, {ClientError::unknown_peer, "several messages have an id that begins with " +
                                                           arguments.message + "; give more of it, or --from WITH"});
  const Entry& entry = found->front();
  if (arguments.file > entry.attachments.size())
    return failed(context,
                  {ClientError::bad_attachment, fmt::format("this message has {} files", entry.attachments.size())});
  Files files(context, true, business.get());
  files.start();
  const std::string folder = arguments.folder.empty() ? "." : arguments.folder;
  if (const auto wanted = files.want(entry, std::filesystem::absolute(folder).string(), arguments.file); !wanted)
    return failed(context, wanted.error());
  files.fetch_wanted();
  context.wait(kLongest, [&] { return !files.busy(); });
  if (context.interrupted()) context.output().hint("interrupted; the same command goes on where it was");
  files.stop();
  return files.failures() > 0 || context.interrupted() ? Exit::failed : Exit::ok;
}

Exit run_cancel(Context& context, const std::string& upload) {
  if (!is_id_begin(upload))
    return failed(context, {ClientError::bad_text, "'" + upload + "' is no id of an upload (opaline history)"});
  if (const auto opened = context.open_beside(); !opened) return failed(context, opened.error());
  const auto homes = business_homes(context);
  std::vector<std::pair<Upload, const client::PersonaHome*>> found;  // null: to a person
  const auto look = [&](const client::LocalStore& store, const client::PersonaHome* home) {
    auto all = client::Transfers(store, context.random()).uploads();
    if (!all) return false;
    for (Upload& each : *all)
      if (each.id.hex().starts_with(upload)) found.emplace_back(std::move(each), home);
    return true;
  };
  bool read = look(context.store(), nullptr);
  for (const auto& home : homes) read = look(home->store(), home.get()) && read;
  if (!read) return failed(context, {ClientError::store_failed, "the local store could not be read"});
  if (found.size() != 1)
    return failed(context,
                  {ClientError::unknown_peer,
                   found.empty() ? "there is no upload " + upload + ": it may be sent already (opaline history)"
                                 : "several uploads begin with " + upload + "; give more of it"});
  const auto& [given_up, business] = found.front();
  Files files(context, false, business);
  const auto cancelled = files.transfers().cancel(given_up.id);
  if (!cancelled) return failed(context, {cancelled.error(), "the local store could not be written"});
  if (!*cancelled) return failed(context, {ClientError::unknown_peer, "it has just been sent (opaline history)"});
  const client::Home& home = business == nullptr ? context.home() : business->home();
  for (const auto& file : given_up.files) {
    std::error_code ignored;
    std::filesystem::remove(home.directory() / "outgoing" / file.spool, ignored);
  }
  files.errands().look();  // what is at the service already
  context.wait(5s, [&] { return files.errands().idle(); });
  context.output().line({{"event", "cancelled"}, {"id", given_up.id.hex()}},
                        fmt::format("given up; {} was not sent to", printable(as_view(given_up.to))));
  return Exit::ok;
}

}  // namespace opaline::cli
