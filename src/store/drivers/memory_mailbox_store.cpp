#include "store/drivers/memory_mailbox_store.hpp"

#include <algorithm>

#include "crypto/hash.hpp"

namespace opaline::store {
namespace {

/// Stands for "sealed under": a copy of the disk shows which key an envelope needs, not the key.
ByteArray<8> mark_of(const DayKey& key) {
  return to_array<8>(ByteView(crypto::sha256({as_view("opaline memory disk"), key.reveal()})).first(8));
}

}  // namespace

MemoryMailboxStore::MemoryMailboxStore(MemoryDisk& disk, KeyVault& vault, Executor executor)
    : disk_(disk), vault_(vault), executor_(std::move(executor)) {}

std::optional<OwnerEpoch> MemoryMailboxStore::acquire_all() {
  if (disk_.faults.failed) return std::nullopt;
  disk_.synced_.epoch = ++disk_.live_.epoch;
  owner_ = OwnerEpoch(disk_.live_.epoch);
  return owner_;
}

bool MemoryMailboxStore::fenced(OwnerEpoch epoch) const {
  return epoch != owner_ || epoch != OwnerEpoch(disk_.live_.epoch);
}

AppendOutcome MemoryMailboxStore::put(const Append& append) {
  if (disk_.faults.failed || losing_group_) return AppendOutcome::unknown;
  const auto mailbox = disk_.live_.mailboxes.find(append.mailbox);
  if (mailbox != disk_.live_.mailboxes.end()) {
    const auto there = mailbox->second.find(append.sequence);
    if (there != mailbox->second.end()) {
      return there->second.id == append.id ? AppendOutcome::duplicate : AppendOutcome::unknown;
    }
  }
  if (disk_.faults.full || disk_.happens(disk_.faults.full_at_random)) return AppendOutcome::full;
  const auto key = vault_.day_key(append.day);
  if (!key) return key.error() == VaultError::full ? AppendOutcome::full : AppendOutcome::unknown;
  disk_.write({.mailbox = append.mailbox,
               .sequence = append.sequence,
               .envelope = MemoryDisk::Envelope{.id = append.id,
                                                .day = append.day,
                                                .gap = append.gap,
                                                .key_mark = mark_of(*key),
                                                .ciphertext = append.ciphertext}});
  return AppendOutcome::stored;
}

void MemoryMailboxStore::append(OwnerEpoch epoch, std::vector<Append> batch, AppendDone done) {
  if (queued_items_ + batch.size() > max_queue_items) {
    completions_.push_back(
        [done = std::move(done), size = batch.size()]() mutable { done(std::vector(size, AppendOutcome::unknown)); });
    return;
  }
  const std::size_t items = batch.size();
  queued_items_ += items;
  calls_.push_back({true, items, [this, epoch, batch = std::move(batch), done = std::move(done)]() mutable {
                      std::vector<AppendOutcome> outcomes;
                      for (const Append& append : batch) {
                        outcomes.push_back(fenced(epoch) ? AppendOutcome::fenced : put(append));
                      }
                      group_.emplace_back(std::move(done), std::move(outcomes));
                    }});
}

void MemoryMailboxStore::remove(OwnerEpoch epoch, std::vector<Removal> batch) {
  calls_.push_back({false, 0, [this, epoch, batch = std::move(batch)] {
                      if (fenced(epoch) || disk_.faults.failed) return;
                      for (const Removal& removal : batch) {
                        const auto found = disk_.live_.mailboxes.find(removal.mailbox);
                        if (found == disk_.live_.mailboxes.end()) continue;
                        std::vector<Sequence> gone;
                        for (const auto& [sequence, envelope] : found->second) {
                          if (sequence <= removal.through) gone.push_back(sequence);
                        }
                        for (const Sequence sequence : gone) {
                          disk_.write({.mailbox = removal.mailbox, .sequence = sequence, .envelope = std::nullopt});
                        }
                      }
                    }});
}

void MemoryMailboxStore::destroy(OwnerEpoch epoch, MailboxId mailbox) {
  remove(epoch, {Removal{mailbox, Sequence(UINT64_MAX)}});
}

bool MemoryMailboxStore::readable(const MemoryDisk::Envelope& envelope) {
  const auto key = vault_.existing_day_key(envelope.day);
  return key && mark_of(*key) == envelope.key_mark;
}

void MemoryMailboxStore::summarize(OwnerEpoch epoch, MailboxId mailbox, SummaryDone done) {
  calls_.push_back({false, 0, [this, epoch, mailbox, done = std::move(done)]() mutable {
                      ReadOutcome outcome = fenced(epoch) ? ReadOutcome::fenced : ReadOutcome::ok;
                      if (disk_.faults.failed || disk_.happens(disk_.faults.read_failed)) outcome = ReadOutcome::failed;
                      MailboxSummary summary;
                      const auto found = disk_.live_.mailboxes.find(mailbox);
                      if (outcome == ReadOutcome::ok && found != disk_.live_.mailboxes.end()) {
                        std::map<Day, MailboxSummary::PerDay> days;
                        for (const auto& [sequence, envelope] : found->second) {
                          if (!readable(envelope)) continue;
                          auto& day = days[envelope.day];
                          if (day.count++ == 0)
                            day = {.day = envelope.day, .first = sequence, .last = {}, .count = 1, .bytes = 0};
                          day.last = sequence;
                          day.bytes += envelope.ciphertext.size();
                          summary.last = sequence;
                        }
                        for (const auto& [day, counts] : days) summary.days.push_back(counts);
                      }
                      completions_.push_back([done = std::move(done), outcome, summary = std::move(summary)]() mutable {
                        done(outcome, std::move(summary));
                      });
                    }});
}

void MemoryMailboxStore::read(OwnerEpoch epoch, MailboxId mailbox, Sequence from, std::size_t max_count,
                              std::size_t max_bytes, ReadDone done) {
  calls_.push_back({false, 0, [=, this, done = std::move(done)]() mutable {
                      ReadOutcome outcome = fenced(epoch) ? ReadOutcome::fenced : ReadOutcome::ok;
                      if (disk_.faults.failed || disk_.happens(disk_.faults.read_failed)) outcome = ReadOutcome::failed;
                      std::vector<StoredEnvelope> out;
                      const auto found = disk_.live_.mailboxes.find(mailbox);
                      if (outcome == ReadOutcome::ok && found != disk_.live_.mailboxes.end()) {
                        std::size_t bytes = 0;
                        bool damage = false;
                        for (auto at = found->second.lower_bound(from); at != found->second.end(); ++at) {
                          const auto& [sequence, envelope] = *at;
                          if (!readable(envelope)) continue;
                          if (!out.empty() &&
                              (out.size() >= max_count || bytes + envelope.ciphertext.size() > max_bytes))
                            break;
                          if (disk_.happens(disk_.faults.damaged)) {
                            damage = true;
                            continue;
                          }
                          bytes += envelope.ciphertext.size();
                          out.push_back({.sequence = sequence,
                                         .id = envelope.id,
                                         .day = envelope.day,
                                         .gap = envelope.gap || damage,
                                         .ciphertext = envelope.ciphertext});
                          damage = false;
                        }
                      }
                      completions_.push_back([done = std::move(done), outcome, out = std::move(out)]() mutable {
                        done(outcome, std::move(out));
                      });
                    }});
}

void MemoryMailboxStore::expire_through(Day day, ExpireDone done) {
  calls_.push_back({false, 0, [this, day, done = std::move(done)]() mutable {
                      const bool destroyed = !disk_.faults.failed && vault_.destroy_through(day).has_value();
                      if (destroyed) {
                        std::vector<std::pair<MailboxId, Sequence>> gone;
                        for (const auto& [mailbox, envelopes] : disk_.live_.mailboxes) {
                          for (const auto& [sequence, envelope] : envelopes) {
                            if (envelope.day <= day) gone.emplace_back(mailbox, sequence);
                          }
                        }
                        for (const auto& [mailbox, sequence] : gone) {
                          disk_.write({.mailbox = mailbox, .sequence = sequence, .envelope = std::nullopt});
                        }
                      }
                      completions_.push_back([done = std::move(done), destroyed]() mutable { done(destroyed); });
                    }});
}

void MemoryMailboxStore::commit_some() {
  losing_group_ = disk_.happens(disk_.faults.unknown_lost);
  const std::size_t size = 1 + disk_.random_.below(calls_.size());
  for (std::size_t i = 0; i < size; ++i) {
    Call call = std::move(calls_.front());
    calls_.pop_front();
    queued_items_ -= call.items;
    call.work();
  }
}

bool MemoryMailboxStore::step() {
  // Between a group's writes and their sync there is a step's border, so that a crash can fall into it.
  if (!group_.empty()) {
    const bool unknown = disk_.happens(disk_.faults.unknown_stored);
    disk_.sync();
    for (auto& answer : std::exchange(group_, {})) {
      auto& [done, outcomes] = answer;
      if (unknown) {
        for (AppendOutcome& outcome : outcomes) {
          if (outcome != AppendOutcome::fenced) outcome = AppendOutcome::unknown;
        }
      }
      completions_.push_back([answer = std::move(answer)]() mutable { answer.first(std::move(answer.second)); });
    }
    return true;
  }
  if (completions_.empty() && calls_.empty()) return false;
  if (calls_.empty() || (!completions_.empty() && disk_.random_.below(2) == 0)) {
    const std::size_t chosen = disk_.random_.below(completions_.size());
    Work work = std::move(completions_[chosen]);
    completions_.erase(completions_.begin() + static_cast<std::ptrdiff_t>(chosen));
    if (executor_) {
      executor_(std::move(work));
    } else {
      work();
    }
    return true;
  }
  commit_some();
  return true;
}

}  // namespace opaline::store
