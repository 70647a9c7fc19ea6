// What becomes of personas when something happens to their account or their business (docs/adr/0015-personas.md).
#include <algorithm>

#include "identity/internal/state.hpp"

namespace opaline::identity {

using internal::Changes;
using internal::Effects;
using internal::LoadedAccount;
using Relationship = internal::Directory::Relationship;

Answer<void> Service::State::close_persona(Changes& changes, Effects& effects, LoadedAccount& persona, Time now) {
  if (std::exchange(persona.record.closed, true)) return {};
  for (const credentials::DeviceEntry& device : persona.list.list().devices)
    erase_device(changes, effects, persona.id, device.number, device.mailbox, now);
  Effects::ClosedPersona closed{.persona = persona.id, .told = {}};
  OPALINE_TRY(const auto business, load(persona.record.business));
  if (business) {
    for (const auto& device : business->list.list().devices) closed.told.push_back({business->id, device.number});
  }
  effects.closed.push_back(std::move(closed));
  ++counters.personas_closed;
  return {};
}

Answer<void> Service::State::forget_persona(Changes& changes, Effects& effects, LoadedAccount persona, Time now) {
  OPALINE_CHECK(close_persona(changes, effects, persona, now));
  erase_history(changes, persona);
  internal::AccountRecord left;
  left.kind = AccountKind::persona;
  left.business = persona.record.business;
  left.closed = true;
  changes.put(persona.id, left);
  return {};
}

Answer<void> Service::State::remove_persona(Changes& changes, Effects& effects, LoadedAccount persona, Time now) {
  OPALINE_CHECK(close_persona(changes, effects, persona, now));
  erase_rows(changes, effects, persona, now);
  return {};
}

/// By asking for each business: rows of one owner that could be found by what they have in common would show to who
/// copies the files which personas are one person's.
Answer<std::vector<Relationship>> Service::State::relationships_of(const AccountId& owner) {
  std::vector<Relationship> out;
  for (const AccountId& business : businesses) {
    const auto key = relationship_key(owner, business);
    OPALINE_TRY(const auto record, read(directory.relationship(key)));
    if (record) out.push_back({.key = key, .record = *record});
  }
  return out;
}

Answer<void> Service::State::remove_personas(Changes& changes, Effects& effects, const AccountId& owner, Time now) {
  OPALINE_TRY(const auto all, relationships_of(owner));
  for (const Relationship& one : all) {
    OPALINE_TRY(auto persona, load(one.record.persona));
    if (persona) OPALINE_CHECK(remove_persona(changes, effects, std::move(*persona), now));
    changes.erase_relationship(one.key);
  }
  return {};
}

Answer<void> Service::State::leave_personas(Changes& changes, Effects& effects, const AccountId& owner,
                                            std::span<const DeviceNumber> devices, Time now) {
  if (devices.empty()) return {};
  OPALINE_TRY(const auto all, relationships_of(owner));
  for (const Relationship& one : all) {
    OPALINE_TRY(auto persona, load(one.record.persona));
    if (!persona || persona->record.closed) continue;
    std::size_t left = 0;
    std::vector<const credentials::DeviceEntry*> leaving;
    for (const credentials::DeviceEntry& entry : persona->list.list().devices) {
      OPALINE_TRY(const auto device, read(directory.device(persona->id, entry.number)));
      if (!device) continue;  // it left before; its persona's list does not say so yet
      const bool leaves = device->owner_device && std::ranges::find(devices, *device->owner_device) != devices.end();
      if (leaves) leaving.push_back(&entry);
      left += leaves ? 0 : 1;
    }
    if (leaving.empty()) continue;
    if (left == 0) {
      OPALINE_CHECK(close_persona(changes, effects, *persona, now));
      changes.put(persona->id, persona->record);
      continue;
    }
    for (const auto* entry : leaving) erase_device(changes, effects, persona->id, entry->number, entry->mailbox, now);
  }
  return {};
}

Answer<void> Service::State::shut_personas_out(Changes& changes, Effects& effects, const AccountId& owner, Time now) {
  OPALINE_TRY(const auto all, relationships_of(owner));
  for (const Relationship& one : all) {
    OPALINE_TRY(const auto persona, load(one.record.persona));
    if (!persona || persona->record.closed) continue;
    changes.put_revoked(internal::Revocation::sender, persona->id.view(), now);
    effects.revoked_senders.push_back(persona->id);
    for (const credentials::DeviceEntry& device : persona->list.list().devices) {
      changes.put_revoked(internal::Revocation::mailbox, device.mailbox.view(), now);
      effects.revoked_mailboxes.push_back(device.mailbox);
      effects.shut_out.push_back({persona->id, device.number});
    }
  }
  return {};
}

Answer<bool> Service::State::persona_is_let(const LoadedAccount& persona) {
  if (persona.record.closed || !businesses.contains(persona.record.business)) return false;
  OPALINE_TRY(const auto owner, load(persona.record.owner));
  return owner && owner->record.switches.businesses;
}

Answer<void> Service::State::sweep(Time now) {
  if (!sweep_after) return {};
  OPALINE_TRY(const auto page, read(directory.relationships(*sweep_after, kSweepRows)));
  Changes changes = directory.changes();
  Effects effects;
  for (const Relationship& one : page) {
    if (businesses.contains(one.record.business)) continue;
    OPALINE_TRY(auto persona, load(one.record.persona));
    if (persona) OPALINE_CHECK(remove_persona(changes, effects, std::move(*persona), now));
    changes.erase_relationship(one.key);
  }
  if (!changes.empty()) OPALINE_CHECK(commit(std::move(changes), std::move(effects), now));
  if (page.size() < kSweepRows) {
    sweep_after.reset();
  } else {
    sweep_after = to_bytes(page.back().key.view());
  }
  return {};
}

}  // namespace opaline::identity
