#pragma once
// The flags of `opaline`, by CLI11, and which command they lead to.
#include <CLI/CLI.hpp>

#include "apps/opaline/business.hpp"

namespace opaline::cli {

/// All flags and what to run; filled by CLI11.
struct Arguments {
  GlobalOptions global;
  RegisterArguments registration;
  SendArguments send;
  ReceiveArguments receive;
  HistoryArguments history;
  VerifyArguments verify;
  HandleArguments handle;
  std::string peer, pin, receipts;
  LinkArguments link;
  RecoveryArguments recovery;
  DeleteArguments deletion;
  std::string business;
  std::string domain_authority;
  AnswerArguments answer;
  ShareArguments share;
  std::string device_name;
  std::vector<std::string> device_code;  ///< in as many words as it was typed
  SaveArguments save;
  LookupArguments lookup;
  std::string upload;
  std::uint32_t device_number = 0;
  bool yes = false;
  std::function<Exit(Context&)> run;
};

inline constexpr const char* kWhom = "A phone number (+49...), e-mail address, or account id";

void add_devices(CLI::App& app, Arguments& a);
void add_recovery(CLI::App& app, Arguments& a);
void add_conversations(CLI::App& app, Arguments& a);
void add_business(CLI::App& app, Arguments& a);
void add_files(CLI::App& app, Arguments& a);
void add_lookups(CLI::App& app, Arguments& a);

}  // namespace opaline::cli
