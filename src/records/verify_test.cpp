// Every way of tampering with a production that we could think of is found, and said.
#include "records/verify.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

#include "records/cases_test_world.hpp"

namespace opaline::records {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using ::testing::HasSubstr;
using testing::kOther, testing::kTarget, testing::told;
using ::testing::Not;

class VerifyTest : public testing::CasesTest {
 protected:
  VerifyTest() {
    id_ = produced(Instrument::warrant);
    files_ = produce("ada", id_);
    EXPECT_TRUE(verify(files_, cases_->service()).good()) << told(verify(files_, cases_->service()));
  }
  static File& file(std::vector<File>& files, std::string_view name) {
    return *std::ranges::find(files, name, &File::name);
  }
  std::vector<File> copy() const { return files_; }
  /// With another manifest, in canonical form.
  std::vector<File> with(const std::function<void(json::object&)>& change) const {
    auto out = copy();
    auto& manifest = file(out, kManifestName).content;
    auto value = *parse_canonical(as_text(manifest));
    change(value.get_object());
    manifest = to_secret_bytes(as_view(canonical_own(value)));
    return out;
  }
  /// The core changed, and everything around it made to fit by somebody who has the service's key, but not the
  /// officers'.
  std::vector<File> forged(const std::function<void(json::object&)>& change) const {
    return with([&](json::object& manifest) {
      auto& core = manifest["core"].get_object();
      change(core);
      const auto signature = ledger_->sign(kProductionLabel, as_view(canonical_own(core)));
      manifest["service_signature"] = to_base64url(signature.view());
    });
  }
  void expect(const std::vector<File>& files, std::string_view sentence) {
    const auto verdict = verify(files, cases_->service());
    EXPECT_FALSE(verdict.good());
    EXPECT_THAT(told(verdict), HasSubstr("BAD: " + std::string(sentence)));
  }

  CaseId id_;
  std::vector<File> files_;
};

TEST_F(VerifyTest, EveryChangedByteOfEveryFileIsFound) {
  for (const auto& original : files_) {
    for (std::size_t at = 0; at < original.content.size(); at += 1 + original.content.size() / 60) {
      auto files = copy();
      file(files, original.name).content[at] ^= std::byte{1};
      EXPECT_FALSE(verify(files, cases_->service()).good()) << original.name << " " << at;
      file(files, original.name).content.resize(at);
      EXPECT_FALSE(verify(files, cases_->service()).good()) << original.name << " cut at " << at;
    }
  }
}

TEST_F(VerifyTest, MissingAndAddedFiles) {
  for (const auto& one : files_) {
    auto files = copy();
    std::erase_if(files, [&](const File& other) { return other.name == one.name; });
    EXPECT_FALSE(verify(files, cases_->service()).good()) << one.name;
  }
  auto files = copy();
  files.push_back({"lookups2.csv", to_secret_bytes(as_view("x"))});
  expect(files, "\"lookups2.csv\" does not belong");
  EXPECT_FALSE(verify({}, cases_->service()).good());
}

TEST_F(VerifyTest, AnotherService) {
  EXPECT_THAT(told(verify(files_, std::string(64, '0'))), HasSubstr("BAD: it is of another service"));
  const auto open = verify(files_, "");
  EXPECT_TRUE(open.good());
  EXPECT_THAT(told(open), HasSubstr("you gave no fingerprint"));
  store::MemoryKeyVault vault{random_};
  operators::MemoryRows rows;
  store::SealedRows sealed{rows, store::VaultKey{}, store::VaultKey{}, random_};
  const auto other = ledger::Ledger::open(sealed, vault, clock_, random_);
  expect(with([&](json::object& m) { m["service_key"] = to_base64url(other->public_key().view()); }),
         "the key in it is another");
}

TEST_F(VerifyTest, TheServicesSignature) {
  expect(with([](json::object& m) { m["core"].get_object()["made"] = "2020-01-01T00:00:00Z"; }),
         "the service's signature is not over this");
}

TEST_F(VerifyTest, OneOfficerOrTheSameTwice) {
  expect(forged([](json::object& core) { core["approvals"].get_array().pop_back(); }),
         "it was not approved by two different officers");
  expect(forged([](json::object& core) {
           auto& both = core["approvals"].get_array();
           both[1] = both[0];
         }),
         "it was not approved by two different officers");
  expect(forged([](json::object& core) {
           auto& both = core["approvals"].get_array();
           both[1] = both[0];
           both[1].get_object()["officer"] = "somebody";
         }),
         "it was not approved by two different officers");
  expect(forged([](json::object& core) { core["approvals"].get_array().clear(); }),
         "it was not approved by two different officers");
}

TEST_F(VerifyTest, AnApprovalOfSomethingElse) {
  const auto wrong = "the signature of officer ada is not over this request";
  expect(forged([](json::object& core) { core["case"] = "2026-0009"; }), wrong);
  expect(forged([](json::object& core) { core["revision"] = 2; }), wrong);
  expect(forged([](json::object& core) { core["facts"].get_object()["authority"] = "Somebody else"; }), wrong);
  expect(forged([](json::object& core) { core["facts"].get_object()["instrument"] = "subpoena"; }), wrong);
  expect(forged([](json::object& core) {
           core["facts"].get_object()["handles"].get_array().emplace_back("z@example.org");
         }),
         wrong);
  expect(forged([](json::object& core) { core["approved_counts"].get_array()[0].get_object()["by"] = 7; }), wrong);
}

TEST_F(VerifyTest, OtherEntriesThanWereApproved) {
  // Whoever has the service's key puts other rows in: their number was signed by the officers.
  const auto replaced = [&](const std::function<void(std::vector<Row>&)>& change) {
    auto rows = *rows_from(id_, 1, file(files_, kJsonName).content);
    change(rows);
    std::vector<File> changed{{std::string(kCsvName), csv_of(rows)}, {std::string(kJsonName), json_of(id_, 1, rows)}};
    auto out = forged([&](json::object& core) {
      core["counts"] = to_json(count({kTarget, kOther}, rows));
      for (auto& listed : core["files"].get_array()) {
        for (const auto& one : changed) {
          if (listed.get_object()["name"].get_string() != one.name) continue;
          listed.get_object()["sha256"] = sha256_hex(one.content);
          listed.get_object()["bytes"] = one.content.size();
        }
      }
    });
    for (const auto& one : changed) file(out, one.name).content = one.content;
    return out;
  };
  expect(replaced([](std::vector<Row>& rows) { rows.pop_back(); }), "there are more or fewer entries");
  expect(replaced([](std::vector<Row>& rows) { rows.push_back(rows.back()); }), "there are more or fewer entries");
  expect(replaced([](std::vector<Row>& rows) { rows[0].entry.time += std::chrono::days(30); }),
         "there are entries that were not asked for");
  expect(replaced([](std::vector<Row>& rows) {
           rows[0].entry.source_handle = rows[0].entry.looked_up_handle = "z@example.org";
         }),
         "there are entries that were not asked for");
  auto files = replaced([](std::vector<Row>&) {});
  EXPECT_THAT(told(verify(files, cases_->service())), Not(HasSubstr("BAD: lookups")));
}

TEST_F(VerifyTest, TwoFilesThatSayDifferentThings) {
  auto rows = *rows_from(id_, 1, file(files_, kJsonName).content);
  rows[0].entry.capable_devices += 1;
  const auto csv = csv_of(rows);
  auto files = forged([&](json::object& core) {
    auto& listed = core["files"].get_array()[0].get_object();
    listed["sha256"] = sha256_hex(csv);
    listed["bytes"] = csv.size();
  });
  file(files, kCsvName).content = csv;
  expect(files, "lookups.csv says something else");
}

TEST_F(VerifyTest, TheLedger) {
  expect(with([](json::object& m) { m.erase("ledger"); }), "it has no proof");
  const auto other = produce("ada", produced(Instrument::warrant));
  const auto foreign =
      parse_canonical(as_text(std::ranges::find(other, kManifestName, &File::name)->content))->get_object()["ledger"];
  expect(with([&](json::object& m) { m["ledger"] = foreign; }), "the event in the ledger is another production's");
  const auto event = [](json::object& m) -> json::object& {
    return m["ledger"].get_object()["events"].get_array()[0].get_object();
  };
  expect(with([&](json::object& m) { event(m)["salt"] = std::string(64, '0'); }), "the ledger's proof does not fit");
  expect(with([&](json::object& m) { event(m)["index"] = 0; }), "the ledger's proof does not fit");
  expect(with([&](json::object& m) { event(m)["kind"] = 2; }), "the ledger's proof does not fit");
  expect(with([&](json::object& m) { event(m)["proof"].get_array().clear(); }), "the ledger's proof does not fit");
  expect(with([&](json::object& m) { m["ledger"].get_object()["events"].get_array().clear(); }),
         "the ledger's proof does not fit");
  expect(with([&](json::object& m) {
           auto head = *from_base64url(text_of(m["ledger"].get_object(), "head").value());
           head.back() ^= std::byte{1};
           m["ledger"].get_object()["head"] = to_base64url(head);
         }),
         "the ledger's head is not signed");
}

TEST_F(VerifyTest, APreservationThatNothingOpened) {
  const auto kept = produced(Instrument::preservation);
  auto order = facts();
  order.opens = kept;
  const auto id = opened(order).id;
  ASSERT_TRUE(approve("ada", id).has_value());
  ASSERT_TRUE(approve("bob", id).has_value());
  files_ = produce("ada", kept);
  EXPECT_TRUE(verify(files_, cases_->service()).good());
  expect(with([](json::object& m) { m["ledger"].get_object()["events"].get_array().pop_back(); }),
         "it was preserved, and no later request opened it");
  expect(with([](json::object& m) {
           auto& events = m["ledger"].get_object()["events"].get_array();
           events[1] = events[0];
         }),
         "it was preserved, and no later request opened it");
}

TEST_F(VerifyTest, AManifestHasOneForm) {
  for (const std::string& text : {std::string("{}"), std::string(), std::string("[]"), std::string("{\"core\":{}}"),
                                  " " + to_string(file(files_, kManifestName).content)}) {
    auto files = copy();
    file(files, kManifestName).content = to_secret_bytes(as_view(text));
    expect(files, "manifest.json is no production's manifest");
  }
}

// ---------------------------------------------------------------- what is in the files

TEST_F(VerifyTest, NoCellIsAFormulaAndNoTextIsMarkup) {
  const auto csv = to_string(file(files_, kCsvName).content);
  EXPECT_THAT(csv, HasSubstr("'+4915112345678,by,2026-11-16T09:06:40.000Z,'+4915112345678,::9,a@example.org,2\r\n"));
  const std::vector<std::string> hostile{"=1+1", "+1", "-1", "@x", "\tx", "\rx", "a,b", "a\"b", "a\r\nb"};
  std::vector<Row> rows;
  for (const auto& text : hostile)
    rows.push_back({text,
                    Direction::by,
                    {.time = {}, .source_handle = text, .source = {}, .looked_up_handle = text, .capable_devices = 0}});
  const auto cells = to_string(csv_of(rows));
  for (const std::string_view made : {"'=1+1,by", "'+1,by", "'-1,by", "'@x,by", "'\tx,by", "\"'\rx\",by", "\"a,b\",by",
                                      "\"a\"\"b\",by", "\"a\r\nb\",by"})
    EXPECT_THAT(cells, HasSubstr(std::string(made)));
  EXPECT_EQ(rows_from({2026, 1}, 1, json_of({2026, 1}, 1, rows))->size(), rows.size());

  const auto page = to_string(file(files_, kStatementName).content);
  EXPECT_THAT(page, HasSubstr("Amtsgericht &lt;b&gt;Köln&lt;/b&gt;"));
  EXPECT_THAT(page, HasSubstr("=cmd|&#39; /C calc&#39;!A0"));
  for (const auto* never : {"<script", "http://", "https://", "src=", "href=", "url(", "@import", "<b>K"})
    EXPECT_THAT(page, Not(HasSubstr(never)));
}

TEST_F(VerifyTest, TheStatementSaysWhatMustBeSaid) {
  const auto page = to_string(file(files_, kStatementName).content);
  for (const auto* said :
       {"It does not show that any communication took place.", "It is not one for each message or call.",
        "It does not name the app", "Coordinated Universal Time (UTC)", "at most 30 days",
        "If the service ended unexpectedly", "this service cannot read it", "Messages to a business are readable",
        "2026-0001", "ada", "bob"})
    EXPECT_THAT(page, HasSubstr(said));
  EXPECT_THAT(page, HasSubstr(cases_->service()));
  EXPECT_THAT(page, HasSubstr("hold the same 4 lines"));
}

// ---------------------------------------------------------------- folders

TEST_F(VerifyTest, AFolderIsReadWithLimits) {
  const auto root = fs::temp_directory_path() / ("opaline_verify_" + to_hex(random_.bytes<8>()));
  fs::create_directory(root);
  EXPECT_FALSE(read_folder(root / "none").has_value());
  ASSERT_TRUE(write_folder(root / "out", files_).has_value());
  const auto read = read_folder(root / "out");
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(verify(*read, cases_->service()).good());
  fs::create_symlink(root / "out" / "lookups.csv", root / "out" / "link.csv");
  EXPECT_FALSE(read_folder(root / "out").has_value()) << "links are not followed";
  fs::remove(root / "out" / "link.csv");
  ASSERT_EQ(mkfifo((root / "out" / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(read_folder(root / "out").has_value()) << "and nothing is waited for";
  fs::remove(root / "out" / "pipe");
  {
    std::ofstream(root / "out" / "big");
  }
  fs::resize_file(root / "out" / "big", kMaxProductionFileBytes + 1);
  EXPECT_FALSE(read_folder(root / "out").has_value());
  fs::remove(root / "out" / "big");
  for (int i = 0; i < 70; ++i) std::ofstream(root / "out" / std::to_string(i)) << "x";
  EXPECT_FALSE(read_folder(root / "out").has_value());
  fs::remove_all(root);
}

}  // namespace
}  // namespace opaline::records
