// `opaline receive`: what has come is shown, once or until Ctrl-C.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "apps/opaline/agent.hpp"
#include "apps/opaline/business.hpp"
#include "apps/opaline/commands.hpp"
#include "apps/opaline/devices.hpp"
#include "apps/opaline/files.hpp"

namespace opaline::cli {
namespace {

using client::ClientError;
using client::Entry;
using client::Failure;
using namespace std::chrono_literals;

constexpr std::size_t kPageEntries = 200;
constexpr auto kConnectWithin = 15s;
constexpr auto kFilesWithin = 24h * 30;  // it ends by itself when nothing moves
constexpr auto kBorrowerComes = 1s;      ///< who asked for the home has taken it by then, or does not come
constexpr auto kLookForBorrower = 4ms;   ///< shorter than any command holds the home
constexpr auto kLookForHome = 25ms;
constexpr auto kSayLent = 2s;  ///< a home that is away for so long is worth a line

/// Prints what has come and was not shown, marks it as shown and tells the senders that it was read. With a
/// folder, files that came are remembered as wanted there first.
Result<void, Failure> show_new(Context& context, Files& files, const std::string& folder) {
  for (;;) {
    auto entries = context.client().history().entries({.peers = {}, .unshown_only = true, .after = 0}, kPageEntries);
    if (!entries) return fail(history_failure(context, entries.error()));
    if (entries->empty()) return {};
    std::vector<std::int64_t> ids;
    const auto devices = context.client().device().own_devices();
    for (const Entry& entry : *entries) {
      const std::string peer = context.client().display_name(entry.peer);
      const std::string device = device_label(devices, entry.device);
      context.output().line(entry_json(entry, peer, device), entry_text(entry, peer, device));
      ids.push_back(entry.id);
      if (!folder.empty()) OPALINE_CHECK(files.want(entry, folder));
    }
    if (const auto done = context.client().history().mark_shown(ids); !done)
      return fail(Failure{done.error(), "the history could not be written"});
    OPALINE_CHECK(context.client().change([&](endpoint::Endpoint& device) {
      for (const Entry& entry : *entries)
        if (entry.kind == client::EntryKind::incoming) device.mark_read(entry.peer, std::span(&entry.message, 1));
    }));
  }
}

/// But for what holds a part of the message, which is no file of the sender's.
Result<void, Failure> want_of_business(Files& files, const Entry& entry, const std::string& folder) {
  const std::size_t count = saved_files(entry);
  for (std::size_t number = 1; number <= count; ++number) OPALINE_CHECK(files.want(entry, folder, number));
  return {};
}

/// The files of conversations with businesses, while a command runs.
using BusinessFiles = std::map<AccountId, std::unique_ptr<Files>>;

/// The same of one business.
Result<void, Failure> show_new_of(Context& context, const AccountId& business, const BusinessFiles& files,
                                  const std::string& folder) {
  if (context.personas().looks_why(business)) return {};
  OPALINE_TRY(client::PersonaHome* const home, context.personas().home(business));
  if (home == nullptr) return {};
  const client::History history(home->store());
  for (;;) {
    auto entries = history.entries({.peers = {}, .unshown_only = true, .after = 0}, kPageEntries);
    if (!entries) return fail(history_failure(context, entries.error()));
    if (entries->empty()) return {};
    std::vector<std::int64_t> ids;
    std::vector<MessageId> came;
    for (const Entry& entry : *entries) {
      if (wants_part_file(entry, *home)) fetch_part(context, entry, *home);
      context.output().line(business_entry_json(entry, *home), business_entry_text(entry, *home));
      ids.push_back(entry.id);
      if (entry.kind == client::EntryKind::incoming) came.push_back(entry.message);
      if (const auto at = files.find(business); !folder.empty() && at != files.end())
        OPALINE_CHECK(want_of_business(*at->second, entry, folder));
    }
    if (const auto done = history.mark_shown(ids); !done)
      return fail(Failure{done.error(), "the history could not be written"});
    client::Client* const client = context.personas().running(business);
    if (client != nullptr && !came.empty())
      OPALINE_CHECK(client->change([&](endpoint::Endpoint& device) { device.mark_read(business, came); }));
  }
}

Result<void, Failure> show_new_of_businesses(Context& context, const BusinessFiles& files, const std::string& folder) {
  for (const AccountId& business : context.personas().known())
    OPALINE_CHECK(show_new_of(context, business, files, folder));
  return {};
}

/// The files of these messages are wanted, also of those that were read on another device and are not shown as new.
Result<void, Failure> want_all(Context& context, Files& files, const std::string& folder,
                               const std::vector<MessageId>& ids) {
  for (const MessageId& id : ids)
    for (const Entry& entry : context.client().history().with_files(id.hex()).value_or(std::vector<Entry>()))
      OPALINE_CHECK(files.want(entry, folder));
  return {};
}

/// One `receive`.
class Receiving {
 public:
  Receiving(Context& context, const ReceiveArguments& arguments) : context_(context), arguments_(arguments) {}
  Exit run();

 private:
  void listen();
  void show();
  void follow(bool reached);
  void fetch();
  void start_businesses();
  void look_at_uploads();
  [[nodiscard]] bool busy() const;
  void lend();
  [[nodiscard]] bool take_back();
  [[nodiscard]] Exit end();

  Context& context_;
  const ReceiveArguments& arguments_;
  std::optional<Files> files_;
  BusinessFiles business_files_;
  std::set<AccountId> online_;  ///< businesses whose connection was up at the last look
  std::optional<Failure> trouble_;
  std::vector<MessageId> came_;  ///< since the last look at what is new
  bool fresh_ = true;            ///< something happened since then
  bool history_came_ = false;
  bool quiet_link_ = false;  ///< the next connection is nothing to tell of
  std::unique_ptr<Agent> agent_;
};

Exit Receiving::run() {
  const auto opened = open_or_find_agent(context_);
  if (!opened) return failed(context_, opened.error());
  if (*opened == Opened::followed)
    return failed(context_,
                  {ClientError::locked, "`opaline receive --follow` runs already with " + context_.options().home +
                                            ", and shows what comes (send and all other commands work "
                                            "beside it)"});
  // Before anything comes, which is shown and fetched only once.
  if (std::error_code ignored; !arguments_.folder.empty() && !std::filesystem::is_directory(arguments_.folder, ignored))
    return failed(context_, {ClientError::bad_attachment,
                             arguments_.folder + " is no directory; make it first (nothing was received)"});
  files_.emplace(context_, !arguments_.follow);
  const auto reached = context_.connect(kConnectWithin);
  if (!reached && (!arguments_.follow || context_.fatal())) {
    (void)show_new(context_, *files_, arguments_.folder);
    show_all_uploads(context_);
    return failed(context_, reached.error());
  }
  if (!reached) context_.output().hint(fmt::format("{}; trying again", reached.error().message));
  files_->start();
  listen();
  start_businesses();
  if (reached) show_new_notices(context_);
  if (arguments_.follow)
    follow(reached.has_value());
  else
    fetch();
  return end();
}

void Receiving::listen() {
  context_.on_event = [this](const endpoint::Event& event) {
    fresh_ = true;
    if (const auto* received = std::get_if<endpoint::MessageReceived>(&event)) came_.push_back(received->id);
    if (const auto* copied = std::get_if<endpoint::MessageCopied>(&event)) came_.push_back(copied->id);
    if (arguments_.follow)
      report_event(context_, event);
    else if (const auto* part = std::get_if<endpoint::HistoryArrived>(&event)) {
      history_came_ = true;
      report_history(context_, *part);
    }
    if (agent_) agent_->look();
  };
  context_.on_business_event = [this](const AccountId& business, const endpoint::Event& event) {
    fresh_ = true;
    if (arguments_.follow) report_business_event(context_, business, event);
    if (agent_) agent_->look();
  };
  if (!arguments_.follow) return;
  context_.on_link = [this](const Failure* why) {
    if (why != nullptr) return context_.output().hint(fmt::format("{}; trying again", why->message));
    if (!std::exchange(quiet_link_, false)) context_.output().hint("connected; waiting for messages (Ctrl-C ends)");
  };
}

void Receiving::show() {
  look_at_uploads();
  if (!context_.client().names_settled() || !std::exchange(fresh_, false)) return;
  files_->bar().clear();
  if (const auto shown = show_new(context_, *files_, arguments_.folder); !shown) trouble_ = shown.error();
  if (const auto shown = show_new_of_businesses(context_, business_files_, arguments_.folder); !shown)
    trouble_ = shown.error();
  if (arguments_.folder.empty() || trouble_) return;
  if (const auto wanted = want_all(context_, *files_, arguments_.folder, std::exchange(came_, {})); !wanted)
    trouble_ = wanted.error();
  files_->fetch_wanted();
  for (const auto& [business, files] : business_files_) files->fetch_wanted();
}

void Receiving::start_businesses() {
  context_.personas().start();
  for (const AccountId& business : context_.personas().known()) {
    const auto home = context_.personas().home(business);
    if (!home || *home == nullptr) continue;
    auto& files = business_files_[business];
    if (!files) files = std::make_unique<Files>(context_, !arguments_.follow, *home);
    files->start();
  }
}

/// What waits to go up can, once the persona's own connection is there.
void Receiving::look_at_uploads() {
  for (const auto& [business, files] : business_files_) {
    client::Client* const client = context_.personas().running(business);
    const bool online = client != nullptr && client->online();
    if (!online) online_.erase(business);
    if (online && online_.insert(business).second) files->look();
  }
}

bool Receiving::busy() const {
  return files_->busy() || std::ranges::any_of(business_files_, [](const auto& each) { return each.second->busy(); });
}

void Receiving::follow(bool reached) {
  agent_ = Agent::start(context_, *files_);
  if (reached) context_.output().hint("connected; waiting for messages (Ctrl-C ends)");
  while (!context_.interrupted() && !context_.fatal() && !trouble_) {
    context_.wait(1h, [this] {
      show();
      return trouble_ || (agent_ && agent_->asked_to_lend());
    });
    if (!context_.interrupted() && !context_.fatal() && !trouble_ && context_.client().online())
      show_new_notices(context_);
    if (agent_ && agent_->asked_to_lend() && !trouble_ && !context_.interrupted() && !context_.fatal()) lend();
  }
}

/// Another command has the home for as long as it runs.
void Receiving::lend() {
  agent_->suspend();
  files_->stop();
  files_.reset();
  for (const auto& [business, files] : business_files_) files->stop();
  business_files_.clear();
  context_.lend();
  agent_->lent();
  if (!take_back()) return;
  files_.emplace(context_, false);
  files_->start();
  fresh_ = true;
  listen();
  agent_->resume(*files_);
  start_businesses();
  context_.client().start();
}

/// False if this ends instead: by Ctrl-C, or because the home cannot be opened any more.
bool Receiving::take_back() {
  const Instant begun = context_.clock().monotonic();
  bool taken = false, told = false;
  for (;;) {
    context_.wait(taken ? kLookForHome : kLookForBorrower, [] { return false; });
    if (context_.interrupted()) return false;
    const auto away = context_.clock().monotonic() - begun;
    if (!taken && away < kBorrowerComes) {
      const auto lock = context_.home().lock();
      taken = !lock && lock.error() == ClientError::locked;
      continue;
    }
    auto back = context_.take();
    if (back) {
      quiet_link_ = !told;
      return true;
    }
    if (back.error().error != ClientError::locked) {
      trouble_ = std::move(back.error());
      return false;
    }
    if (away > kSayLent && !std::exchange(told, true))
      context_.output().hint("another opaline command has the home; what comes meanwhile is shown when it has ended");
  }
}

void Receiving::fetch() {
  context_.wait(seconds(arguments_.wait_seconds), [this] {
    show();
    return trouble_ || (context_.drained() && !fresh_ && context_.client().settled() && context_.personas().drained() &&
                        context_.personas().settled());
  });
  if (!trouble_ && busy() && !context_.interrupted())  // files take as long as they move
    context_.wait(kFilesWithin, [this] {
      show();
      return trouble_ || !busy();
    });
}

Exit Receiving::end() {
  if (files_) {  // else the home is another's
    if (const auto shown = show_new(context_, *files_, arguments_.folder); !shown) trouble_ = shown.error();
    if (const auto shown = show_new_of_businesses(context_, business_files_, arguments_.folder); !shown)
      trouble_ = shown.error();
    files_->stop();
    for (const auto& [business, files] : business_files_) files->stop();
  }
  if (!arguments_.follow) show_all_uploads(context_);
  context_.on_event = [](const endpoint::Event&) {};
  context_.on_business_event = [](const AccountId&, const endpoint::Event&) {};
  if (agent_) agent_->end();
  context_.finish(2s);
  agent_.reset();
  if (!arguments_.follow && context_.drained() && !trouble_ && !context_.fatal() && !history_came_ && files_ &&
      files_->failures() == 0 && context_.output().silent())
    context_.output().hint("nothing new");
  if (trouble_) return failed(context_, *trouble_);
  if (context_.fatal()) return failed(context_, *context_.fatal());
  if (!arguments_.follow && !context_.drained() && !context_.interrupted())
    return failed(context_, {ClientError::timed_out, "the server did not hand over everything in time; run it again"});
  return files_ && files_->failures() > 0 && !arguments_.follow ? Exit::failed : Exit::ok;
}

}  // namespace

Exit run_receive(Context& context, const ReceiveArguments& arguments) {
  return Receiving(context, arguments).run();
}

}  // namespace opaline::cli
