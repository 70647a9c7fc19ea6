#include "server/backup_file.hpp"

#include <gmock/gmock.h>

#include <algorithm>

namespace opaline::server {
namespace {

constexpr crypto::Argon2Cost kCheap{.memory_kib = 8, .passes = 1, .lanes = 1};
constexpr Time kNow = from_unix_millis(1'767'225'600'000);

struct Opened {
  BackupInfo info;
  std::vector<std::pair<std::string, std::string>> keys;
  std::vector<BackupRow> rows;
};

BackupSource source_of(const Bytes& file, std::size_t piece) {
  return [&file, piece, at = std::size_t{0}](std::span<std::byte> out) mutable -> std::optional<std::size_t> {
    const auto size = std::min({out.size(), piece, file.size() - at});
    std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(at), size, out.begin());
    at += size;
    return size;
  };
}

Result<Opened, BackupError> read(const Bytes& file, std::string_view passphrase, std::size_t piece = 1 << 20) {
  OPALINE_TRY(auto reader, BackupReader::open(source_of(file, piece), as_view(passphrase)));
  Opened out;
  for (;;) {
    OPALINE_TRY(auto record, reader.next());
    if (std::holds_alternative<BackupEnd>(record)) return out;
    if (auto* info = std::get_if<BackupInfo>(&record)) out.info = *info;
    if (auto* key = std::get_if<BackupNamedKey>(&record))
      out.keys.emplace_back(key->purpose, to_hex(key->key.reveal()));
    if (auto* row = std::get_if<BackupRow>(&record)) out.rows.push_back(*row);
  }
}

class BackupFile : public testing::Test {
 protected:
  Bytes write(std::size_t rows, std::size_t value_bytes, std::uint64_t seed = 1) {
    SeededRandom random(seed);
    Bytes file;
    const auto sink = [&file](ByteView bytes) {
      append(file, bytes);
      return true;
    };
    auto writer = BackupWriter::start(sink, as_view("correct horse"), kCheap, random);
    EXPECT_TRUE(writer);
    EXPECT_TRUE(writer->info({kNow, "chat.example.org", "0.1.0"}));
    store::VaultKey key;
    random.fill(key.fill());
    key_hex_ = to_hex(key.reveal());
    EXPECT_TRUE(writer->key("rows", key));
    rows_.clear();
    for (std::size_t i = 0; i < rows; ++i) {
      BackupRow row{"accounts", to_bytes("key " + std::to_string(i)), Bytes(value_bytes)};
      random.fill(row.value);
      EXPECT_TRUE(writer->row(row.table, row.key, row.value));
      rows_.push_back(std::move(row));
    }
    const auto end = writer->finish();
    EXPECT_TRUE(end);
    EXPECT_EQ(end->rows, rows);
    return file;
  }
  std::string key_hex_;
  std::vector<BackupRow> rows_;
};

TEST_F(BackupFile, GivesBackWhatWasWritten) {
  for (const std::size_t size : {0UL, 1UL, 1000UL, 70'000UL}) {
    const auto file = write(20, size);
    for (const std::size_t piece : {3UL, 4096UL, 1UL << 20}) {
      const auto opened = read(file, "correct horse", piece);
      ASSERT_TRUE(opened) << describe(opened.error());
      EXPECT_EQ(opened->info, (BackupInfo{kNow, "chat.example.org", "0.1.0"}));
      EXPECT_THAT(opened->keys, testing::ElementsAre(testing::Pair("rows", key_hex_)));
      EXPECT_EQ(opened->rows, rows_);
    }
  }
}

TEST_F(BackupFile, RecordsMayEndAtAnyPlaceOfAChunk) {
  for (std::size_t size = kBackupChunkBytes - 200; size < kBackupChunkBytes + 20; ++size) {
    const auto file = write(1, size);
    ASSERT_TRUE(read(file, "correct horse")) << size;
  }
}

TEST_F(BackupFile, ShowsNothingOfItsContent) {
  const auto file = write(3, 100);
  for (const std::string_view word : {"accounts", "chat.example.org", "key 1", "rows"}) {
    EXPECT_EQ(as_text(file).find(word), std::string_view::npos) << word;
  }
}

TEST_F(BackupFile, AWrongPassphraseIsRefused) {
  const auto file = write(1, 10);
  for (const auto* wrong : {"correct hors", "correct horse ", ""}) {
    EXPECT_EQ(read(file, wrong).error(), BackupError::refused) << wrong;
  }
}

TEST_F(BackupFile, EveryFlippedBitIsFound) {
  const auto file = write(2, 40);
  for (std::size_t i = 0; i < file.size(); ++i) {
    auto damaged = file;
    damaged[i] ^= std::byte{static_cast<unsigned char>(1U << (i % 8))};
    if (i >= 8 && i < 20) continue;  // the costs: a flipped one may ask for 1 GiB; see below
    EXPECT_FALSE(read(damaged, "correct horse")) << "byte " << i;
  }
}

TEST_F(BackupFile, CostsCannotBeChanged) {
  auto file = write(2, 40);
  file[11] = std::byte{16};  // memory KiB, last byte
  EXPECT_EQ(read(file, "correct horse").error(), BackupError::refused);
  file[8] = std::byte{0x7f};
  EXPECT_EQ(read(file, "correct horse").error(), BackupError::too_costly);
}

TEST_F(BackupFile, EveryTruncationIsFound) {
  const auto file = write(2, 70'000);
  for (std::size_t size = 0; size < file.size(); size += size < 400 ? 1 : 997) {
    EXPECT_FALSE(read(Bytes(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)), "correct horse")) << size;
  }
  EXPECT_EQ(read(Bytes(file.begin(), file.end() - 1), "correct horse").error(), BackupError::truncated);
}

/// The file's chunks, each with its length in front.
std::vector<Bytes> chunks_of(const Bytes& file, Bytes& header) {
  header = Bytes(file.begin(), file.begin() + 36);
  std::vector<Bytes> out;
  for (std::size_t at = 36; at < file.size();) {
    std::size_t size = 0;
    for (int i = 0; i < 4; ++i) size = size << 8 | std::to_integer<std::size_t>(file[at + static_cast<std::size_t>(i)]);
    const auto begin = file.begin() + static_cast<std::ptrdiff_t>(at);
    out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(4 + size));
    at += 4 + size;
  }
  return out;
}
Bytes join(const Bytes& header, const std::vector<Bytes>& chunks) {
  Bytes out = header;
  for (const auto& chunk : chunks) append(out, chunk);
  return out;
}

TEST_F(BackupFile, ChunksCannotBeDroppedMovedRepeatedOrMixed) {
  Bytes header;
  const auto good = chunks_of(write(10, 50'000), header);
  ASSERT_GE(good.size(), 4U);
  ASSERT_TRUE(read(join(header, good), "correct horse"));
  auto cut_at_border = good;
  cut_at_border.pop_back();
  EXPECT_EQ(read(join(header, cut_at_border), "correct horse").error(), BackupError::truncated);
  auto dropped = good;
  dropped.erase(dropped.begin() + 1);
  EXPECT_EQ(read(join(header, dropped), "correct horse").error(), BackupError::refused);
  auto moved = good;
  std::swap(moved[0], moved[1]);
  EXPECT_EQ(read(join(header, moved), "correct horse").error(), BackupError::refused);
  auto repeated = good;
  repeated.push_back(good.back());
  EXPECT_EQ(read(join(header, repeated), "correct horse").error(), BackupError::refused);
  Bytes other_header;
  auto mixed = good;
  mixed[1] = chunks_of(write(10, 50'000, 2), other_header)[1];
  EXPECT_EQ(read(join(header, mixed), "correct horse").error(), BackupError::refused);
}

TEST_F(BackupFile, OtherFilesAreNamed) {
  EXPECT_EQ(read({}, "x").error(), BackupError::not_a_backup);
  EXPECT_EQ(read(to_bytes("hello"), "x").error(), BackupError::not_a_backup);
  EXPECT_EQ(read(to_bytes(std::string(1000, 'x')), "x").error(), BackupError::not_a_backup);
  auto newer = write(1, 1);
  newer[7] = std::byte{'2'};
  EXPECT_EQ(read(newer, "correct horse").error(), BackupError::not_a_backup);
}

TEST_F(BackupFile, AFullDiskIsAnError) {
  SeededRandom random(1);
  int left = 1;
  const auto sink = [&](ByteView) { return left-- > 0; };
  auto writer = BackupWriter::start(sink, as_view("p"), kCheap, random);
  ASSERT_TRUE(writer);
  ASSERT_TRUE(writer->info({kNow, "", ""}));
  EXPECT_EQ(writer->finish().error(), BackupError::input_output);
  left = 0;
  EXPECT_EQ(BackupWriter::start(sink, as_view("p"), kCheap, random).error(), BackupError::input_output);
}

}  // namespace
}  // namespace opaline::server
