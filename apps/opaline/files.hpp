#pragma once
// Files on their way while a command runs: what moves them, and what the person is told of it.
#include <map>

#include "apps/opaline/context.hpp"
#include "client/downloads.hpp"
#include "client/uploads.hpp"

namespace opaline::cli {

/// A progress bar on a terminal's standard error; with --json `progress` objects, one for each tenth of a file.
class ProgressBar {
 public:
  ProgressBar(Output& output, bool shown);
  /// `phase`: encrypting, uploading, downloading.
  void show(std::string_view phase, const std::string& id, std::string_view file, std::uint64_t done,
            std::uint64_t size);
  /// Takes the bar away, before a line is printed.
  void clear();

 private:
  Output& output_;
  bool bar_, json_, drawn_ = false;
  std::string told_;
  Instant begun_, drawn_at_;
  std::uint64_t begun_at_ = 0;
  SystemClock clock_;
};

class Files {
 public:
  /// `bars`: whether this command shows progress. The context has a store and a service; with a client, uploads go too.
  /// `business`: the files of the conversation with it; it outlives this.
  Files(Context& context, bool bars, const client::PersonaHome* business = nullptr);

  /// Takes up what an earlier command left.
  void start();
  /// Takes up nothing new.
  void stop();
  /// True while it is worth waiting for a file.
  [[nodiscard]] bool busy() const;
  /// The message that an upload became; nullopt: not yet.
  [[nodiscard]] std::optional<MessageId> queued(const client::UploadId& id) const;
  /// Called when an upload has become a message, or waits for something else.
  std::function<void()> on_upload = [] {};

  /// Remembers that an entry's files (or one of them, counted from 1) are wanted in a folder.
  [[nodiscard]] Result<void, client::Failure> want(const client::Entry& entry, const std::string& folder,
                                                   std::size_t only = 0);
  /// Fetches what is wanted; each is told of when it is there, or why not.
  void fetch_wanted();
  /// How many files could not be saved.
  [[nodiscard]] std::size_t failures() const { return failures_; }
  [[nodiscard]] ProgressBar& bar() { return bar_; }
  [[nodiscard]] const client::Transfers& transfers() const { return transfers_; }
  [[nodiscard]] client::Errands& errands() { return errands_; }
  /// Uploads take up what was added.
  void look();

 private:
  Context& context_;
  ProgressBar bar_;
  client::Transfers transfers_;
  client::BlobService blobs_;
  client::Errands errands_;
  client::Downloads downloads_;
  std::unique_ptr<client::UploadHost> host_;
  std::unique_ptr<client::Uploads> uploads_;
  std::map<client::UploadId, MessageId> queued_;
  std::set<endpoint::BlobId> fetching_;
  std::size_t failures_ = 0;
};

/// "files" of a message; empty if it has none.
[[nodiscard]] boost::json::array files_json(const client::Entry& entry);
/// A line for each file, each after a line feed.
[[nodiscard]] std::string files_text(const client::Entry& entry);
/// An upload as JSON and for people.
[[nodiscard]] boost::json::object upload_json(const client::Upload& upload);
[[nodiscard]] std::string upload_text(const client::Upload& upload);
/// Prints the uploads of a store, the person's or a business's home's, to these accounts; empty: to all.
void show_uploads(Context& context, const client::LocalStore& store, const std::vector<AccountId>& peers);
/// The same of all of them.
void show_all_uploads(Context& context);
[[nodiscard]] std::string_view name(client::UploadReason reason);
/// How much of an id people have to type.
inline constexpr std::size_t kShortIdDigits = 8;

}  // namespace opaline::cli
