#pragma once
// TLS contexts: what a listener shows and what a client trusts. Key exchange prefers X25519MLKEM768, so that a
// recording of today's traffic does not open to a quantum computer.
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "net/error.hpp"

struct ssl_ctx_st;

namespace opaline::net {

enum class TlsVersion : std::uint8_t { tls_1_2, tls_1_3 };

/// TLS channel binding of type tls-exporter (RFC 9266): 32 bytes, the same at both ends of one connection and nowhere
/// else.
using ChannelBinding = ByteArray<32>;

struct TlsServerOptions {
  std::filesystem::path certificate_file{};  ///< PEM: the certificate first, then its chain
  std::filesystem::path key_file{};          ///< PEM, not encrypted
  TlsVersion minimum = TlsVersion::tls_1_3;
  bool cleanse_plaintext = false;  ///< SSL_OP_CLEANSE_PLAINTEXT: wipe decrypted records after they were read
};

/// Loop thread only; shared by the listeners of one thread. Must outlive the servers that use it.
class TlsServerContext {
 public:
  /// certificate_unreadable, key_unreadable or key_mismatch.
  [[nodiscard]] static Result<TlsServerContext, NetError> create(TlsServerOptions options);
  TlsServerContext(TlsServerContext&&) noexcept;
  TlsServerContext& operator=(TlsServerContext&&) noexcept;
  ~TlsServerContext();

  /// Reads the files again. New connections use the new certificate, open ones keep theirs. On an error (as `create`)
  /// the old certificate stays in use.
  [[nodiscard]] Result<void, NetError> reload();
  [[nodiscard]] ssl_ctx_st* native() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  TlsServerContext(TlsServerOptions options, std::unique_ptr<ssl_ctx_st, Free> context);
  TlsServerOptions options_;
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

struct TlsClientOptions {
  /// PEM file of the authorities to trust, these alone.
  std::filesystem::path authority_file = {};
  /// The same as text; used if there is no file. Both empty: the system's.
  std::string authority_pem = {};
  TlsVersion minimum = TlsVersion::tls_1_3;
  bool cleanse_plaintext = false;
};

/// Every connection verifies the chain and the host name or IP address it was asked to reach; there is no way to switch
/// it off.
class TlsClientContext {
 public:
  /// certificate_unreadable if the authorities cannot be read or are none.
  [[nodiscard]] static Result<TlsClientContext, NetError> create(const TlsClientOptions& options);
  TlsClientContext(TlsClientContext&&) noexcept;
  TlsClientContext& operator=(TlsClientContext&&) noexcept;
  ~TlsClientContext();
  [[nodiscard]] ssl_ctx_st* native() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  explicit TlsClientContext(std::unique_ptr<ssl_ctx_st, Free> context);
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

}  // namespace opaline::net
