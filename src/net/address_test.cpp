#include "net/address.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "net/internal/socket.hpp"

namespace opaline::net {
namespace {

TEST(Url, parts) {
  const auto url = Url::parse("wss://Relay.Example:8443/v1/device?x=1");
  ASSERT_TRUE(url.has_value());
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "relay.example");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/v1/device?x=1");
  EXPECT_EQ(url->authority(), "relay.example:8443");
  const auto bare = Url::parse("https://example.org");
  ASSERT_TRUE(bare.has_value());
  EXPECT_EQ(bare->target, "/");
  EXPECT_EQ(bare->port, 443);
  EXPECT_EQ(bare->authority(), "example.org");
  EXPECT_EQ(Url::parse("http://[::1]:80?q")->authority(), "[::1]");
  EXPECT_EQ(Url::parse("http://[::1]:80?q")->target, "/?q");
}

TEST(Url, refusals) {
  for (const std::string_view bad : {"",
                                     "https://",
                                     "https:///x",
                                     "ftp://a/",
                                     "HTTPS://a/",
                                     "https://user@host/",
                                     "https://host:0/",
                                     "https://host:/",
                                     "https://host:65536/",
                                     "https://host:12x/",
                                     "https://ho st/",
                                     "https://host/a b",
                                     "https://host/#frag",
                                     "https://host\r\n/",
                                     "https://[::1/",
                                     "https://[::1]x/",
                                     "https://[127.0.0.1]/",
                                     "https://::1/",
                                     "https://host/\xc3\xa9",
                                     "https://a%2f/"}) {
    const auto url = Url::parse(bad);
    ASSERT_FALSE(url.has_value()) << bad;
    EXPECT_EQ(url.error(), NetError::url_invalid);
  }
}

TEST(Url, what_it_writes_it_reads) {
  rc::check([] {
    const auto text = *rc::gen::container<std::string>(rc::gen::inRange<char>(1, 127));
    const auto url = Url::parse("https://" + text);
    if (!url) return;
    const auto again = Url::parse("https://" + url->authority() + url->target);
    RC_ASSERT(again.has_value());
    RC_ASSERT(again->host == url->host && again->port == url->port && again->target == url->target);
  });
}

TEST(ListenAddress, forms) {
  EXPECT_EQ(ListenAddress::parse("127.0.0.1:8443")->port, 8443);
  EXPECT_EQ(ListenAddress::parse("[::]:0")->ip, "::");
  EXPECT_EQ(ListenAddress::parse("unix:/run/x.sock")->unix_path, "/run/x.sock");
  for (const std::string_view bad : {"", "localhost:80", "127.0.0.1", ":80", "::1:80", "unix:", "127.0.0.1:70000"}) {
    EXPECT_FALSE(ListenAddress::parse(bad).has_value()) << bad;
  }
}

TEST(Peer, texts) {
  EXPECT_EQ(internal::peer_of(*internal::ip_address("192.0.2.1", 9)).ip_text(), "192.0.2.1");
  EXPECT_EQ(internal::peer_of(*internal::ip_address("2001:db8::1", 9)).ip_text(), "2001:db8::1");
  EXPECT_EQ(internal::peer_of(*internal::ip_address("192.0.2.1", 9)).port, 9);
  EXPECT_TRUE(internal::peer_of(*internal::ip_address("127.9.9.9", 9)).is_loopback());
  EXPECT_TRUE(internal::peer_of(*internal::ip_address("::1", 9)).is_loopback());
  EXPECT_FALSE(internal::peer_of(*internal::ip_address("128.0.0.1", 9)).is_loopback());
  EXPECT_FALSE(internal::peer_of(*internal::ip_address("::", 9)).is_loopback());
}

TEST(Peer, special_addresses_are_not_public) {
  const auto is_public = [](const char* text) { return internal::peer_of(*internal::ip_address(text, 9)).is_public(); };
  for (const char* text : {"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
                           "172.15.255.255", "172.32.0.0", "192.167.255.255", "193.99.144.80", "198.20.0.1",
                           "223.255.255.255", "2001:4860:4860::8888", "2a00:1450:4001:81b::200e", "2600::1"})
    EXPECT_TRUE(is_public(text)) << text;
  for (const char* text : {"0.0.0.0",
                           "0.1.2.3",
                           "10.0.0.1",
                           "10.255.255.255",
                           "100.64.0.1",
                           "100.127.255.255",
                           "127.0.0.1",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.1",
                           "192.0.2.1",
                           "192.88.99.1",
                           "192.168.1.1",
                           "198.18.0.1",
                           "198.19.255.255",
                           "198.51.100.1",
                           "203.0.113.1",
                           "224.0.0.1",
                           "240.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "::ffff:10.0.0.1",
                           "::ffff:127.0.0.1",
                           "64:ff9b::a00:1",
                           "fc00::1",
                           "fd12::1",
                           "fe80::1",
                           "ff02::1",
                           "2001::1",
                           "2001:db8::1",
                           "2002:a00:1::",
                           "3fff::1",
                           "100::1",
                           "4000::1"})
    EXPECT_FALSE(is_public(text)) << text;
}

}  // namespace
}  // namespace opaline::net
