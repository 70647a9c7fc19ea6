#pragma once
// Named points at which a test makes the process die (or runs something of its own), to make rare crashes common and to
// prove that they were reached. Compiled in always: a point that is not armed costs one relaxed atomic load.
#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace opaline {

/// Every point there is: tests iterate over this list, and hitting a point that is not on it is a bug (asserted when
/// armed).
inline constexpr std::array<std::string_view, 90> kFaultPoints = {
    "store.before_day_key",        // the first envelope of a day is about to be committed, its key does not exist yet
    "store.before_day_family",     // the key is synced, the day's rows have no place yet
    "store.before_wal_sync",       // a group is sealed, not a byte of it was given to the disk
    "store.after_wal_sync",        // a group is on stable storage, nobody was told
    "store.after_answers",         // the group's answers were posted
    "store.before_removal",        // removals are about to be applied
    "store.before_expiry",         // days are about to expire
    "store.after_keys_destroyed",  // the days' keys are gone, their rows still lie in the files
    "store.after_day_dropped",     // the rows of one of the days are gone
    "store.before_rows_sync",      // a batch of rows is complete, not a byte of it was given to the disk
    "store.after_rows_sync",       // the batch is on stable storage, nobody was told
    "rows.before_range_erased",    // a range of rows is about to be removed
    "rows.after_range_erased",     // they are removed durably, their bytes still lie in the files
    "records.before_lookups",      // a group of lookups is sealed, the store was not asked yet
    "records.after_lookup_keys",   // the keys of days of the lookup log are gone, their rows are not
    "cases.searched",              // the log was searched for a legal request, nothing of it is signed for yet
    "cases.sealed",                // what two officers approved is sealed to them in memory
    "cases.after_piece",           // a piece of it is on stable storage, no event says that it belongs to the case
    "cases.before_event",          // an event of a case is complete, not a byte of it was given to the disk
    "cases.after_event",           // it is on stable storage with what it changes, nobody was told
    "folder.after_file",           // a file of a production is on the officer's disk, the folder has no name yet
    "vault.before_key_sync",       // a new key is in a temporary file
    "vault.after_key_sync",        // the new key has its name, nobody was told
    "vault.before_destroy_mark",   // days are about to be destroyed
    "vault.after_destroy_mark",    // it is recorded that the days are destroyed; the keys are still there
    "vault.after_overwrite",       // one of the keys was overwritten, its file still has its name
    "blobs.before_create_sync",    // a new blob's file has its head, nothing of it is synced
    "blobs.after_create",          // it is on stable storage, nobody was told
    "blobs.before_piece",          // a piece is about to be written
    "blobs.after_piece",           // it is with the kernel, nobody was told
    "blobs.before_durable_mark",   // what was received is synced, its file does not say so yet
    "blobs.before_content_sync",   // the last piece is with the kernel, the content is not synced
    "blobs.after_content_sync",    // the content is synced, its file still has the name of an upload
    "blobs.after_complete_name",   // it has the name of a complete blob, the directory is not synced
    "blobs.after_complete",        // it is on stable storage, nobody was told
    "blobs.before_slot_sync",      // a release or more hashes are written, not synced
    "blobs.after_slot_sync",       // they are synced, nobody was told
    "blobs.after_unlink",          // a blob's file has no name any more, the directory is not synced
    "blobs.before_expiry",         // days are about to expire
    "blobs.after_expired_file",    // the keys are gone, some of the files are
    "client.before_commit",        // what a device has received and made is with its database, not committed
    "client.after_commit",         // it is committed, no frame has left
    "client.after_frames",         // its frames are with the kernel
    "client.persona_made",         // a device for a business has keys, the service does not know it
    "client.persona_joined",       // the service has it, the home does not know that
    "client.persona_root_made",    // the home has the new root, the service was not asked
    "client.persona_root_taken",   // the service has it, the person's other devices were not told
    "client.persona_root_told",    // they are, the home still goes on with it
    "client.persona_confirmed",    // the home knows it, the person's other devices were not told
    "client.persona_opened",       // they were told, or will be; the home has not forgotten the plan
    "client.persona_closing",      // a business is to be closed, nobody was told
    "client.persona_closed",       // the service has closed it, the home does not know that
    "files.before_spool_sync",     // a file is sealed into the sender's home, not synced
    "files.after_spool",           // it is on stable storage, the message is not accepted yet
    "files.after_accepted",        // the message is accepted, nobody was told
    "files.before_create",         // the service is about to be asked for a place
    "files.after_create",          // it gave one, the home does not know it
    "files.after_create_saved",    // the home knows it, nothing was sent
    "files.before_piece",          // a piece is about to be sent
    "files.after_piece",           // the service answered a piece
    "files.after_last_piece",      // the service has all of a file, the home does not know it
    "files.before_queue",          // all files are up, the message is not queued
    "files.after_queue",           // it is queued and the upload forgotten, its file lies in the home
    "files.after_spool_removed",   // that is removed, nothing was sent
    "files.after_wanted",          // a file is remembered as wanted, nothing of it was fetched
    "files.before_part",           // a piece came, it is not written
    "files.after_part",            // it is written, not synced
    "files.before_text_sync",      // a file is checked and opened, not synced
    "files.after_text_sync",       // it is on stable storage under a temporary name
    "files.before_rename",         // its name is recorded, it does not have it
    "files.after_rename",          // it has it, the home does not know it
    "files.after_saved",           // the home knows it, and that it is to be released
    "files.after_part_removed",    // the ciphertext is removed
    "files.before_errand",         // the service is about to be told of a release or removal
    "files.after_errand",          // it was told, the home does not know it
    "gateway.before_commit",       // what a person or a business wrote is about to be committed
    "gateway.after_commit",        // it is committed, nobody was told
    "gateway.after_frames",        // what there is to tell the service (acknowledgements, envelopes) is on its way
    "gateway.before_webhook",      // a message is about to be given to the business's software
    "gateway.after_webhook",       // the software has taken it, its row is still there
    "gateway.after_taken",         // the row is gone
    "gateway.before_answer",       // a business's message is accepted, the business was not told
    "journal.before_settled",      // rows that are in the journal are about to go to their places
    "journal.after_settled",       // they are there, and if they were the last the journal has forgotten them
    "sms.after_row",               // a text is about to be handed to Kannel, its row says so
    "sms.after_kannel",            // Kannel has answered, the row does not know it
    "sms.after_told",              // the person was told what became of it, the row does not know it
    "recovery.before_file",        // a recovery file has a temporary name, and nothing in it
    "recovery.after_file",         // it is on stable storage under that name
    "recovery.after_name",         // it has its name, nobody was told
};

namespace fault {

struct State {
  std::atomic<bool> armed = false;
  std::mutex mutex;
  std::string die_at;                          // guarded by mutex
  long passes_left = 0;                        // guarded by mutex
  std::function<void(std::string_view)> hook;  // guarded by mutex
};
/// One per process: a fault point stands for the process's death.
inline State state;

/// Out of line and cold: the point is armed for something.
[[gnu::noinline, gnu::cold]] inline void reached(std::string_view name) {
  std::function<void(std::string_view)> hook;
  {
    const std::lock_guard lock(state.mutex);
    bool known = false;
    for (const std::string_view each : kFaultPoints) known = known || each == name;
    OPALINE_ASSERT(known);
    if (name == state.die_at && --state.passes_left <= 0) std::raise(SIGKILL);
    hook = state.hook;
  }
  if (hook) hook(name);
}

/// Kills the process with SIGKILL when it comes to the point for the nth time (from 1).
inline void die_at(std::string_view name, long nth = 1) {
  const std::lock_guard lock(state.mutex);
  state.die_at = name;
  state.passes_left = nth;
  state.armed.store(true);
}

/// Calls `hook` at each point, on the thread that reaches it; nullptr takes it away.
inline void set_hook(std::function<void(std::string_view)> hook) {
  const std::lock_guard lock(state.mutex);
  state.hook = std::move(hook);
  state.armed.store(state.hook != nullptr || !state.die_at.empty());
}

/// Reads OPALINE_FAULT=name[:nth]; to be called by main before there are other threads. False if the value names no
/// point.
[[nodiscard]] inline bool arm_from_environment() {
  const char* const value = std::getenv("OPALINE_FAULT");
  if (value == nullptr) return true;
  const std::string_view text(value);
  const std::size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  const long nth = colon == std::string_view::npos ? 1 : std::strtol(value + colon + 1, nullptr, 10);
  bool known = false;
  for (const std::string_view each : kFaultPoints) known = known || each == name;
  if (!known || nth < 1) return false;
  die_at(name, nth);
  return true;
}

}  // namespace fault

/// A point in the course of a program, by its name in kFaultPoints.
inline void fault_point(std::string_view name) {
  if (fault::state.armed.load(std::memory_order_relaxed)) [[unlikely]]
    fault::reached(name);
}

}  // namespace opaline
