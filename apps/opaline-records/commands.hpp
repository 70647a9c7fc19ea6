#pragma once
// The commands of opaline-records. Each prints what it did, or on stderr what is wrong, and says how the program ends.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace opaline::officer {

enum class Exit : int { ok = 0, failed = 1, usage = 2 };

struct Options {
  std::filesystem::path home;
  std::optional<std::filesystem::path> passphrase_file;
  bool json = false;
  bool yes = false;

  // connect
  std::string server;
  std::optional<std::filesystem::path> authority, token_file;
  // cases
  std::string id;
  std::string authority_name, instrument, reference, jurisdiction, from, to, served, due, opens;
  std::vector<std::string> handles;
  std::string words, not_before;
  // productions
  std::optional<std::filesystem::path> folder;
  std::uint32_t number = 1;
  std::string service;
  std::string period;
  // ledger
  std::string head;
};

Exit connect(const Options& options);
Exit key_create(const Options& options);
Exit key_show(const Options& options);
Exit officers(const Options& options);

Exit case_open(const Options& options);
Exit case_list(const Options& options);
Exit case_show(const Options& options);
Exit case_approve(const Options& options);
Exit case_narrow(const Options& options);
/// POST cases/<id>/<step> with {"reason"}: refuse, close, renew, end.
Exit case_step(const Options& options, const std::string& step);
Exit case_answer(const Options& options);
Exit case_notify(const Options& options);

Exit produce(const Options& options);
Exit verify_folder(const Options& options);
Exit report(const Options& options);
Exit ledger_verify(const Options& options);

/// On stderr, with the program's name; failed.
Exit complain(const std::string& sentence);

}  // namespace opaline::officer
