#include "telemetry/log.hpp"

#include <gtest/gtest.h>

namespace {

using telemetry::escaped;

TEST(escaped, leaves_text_in_any_language) {
    for (const std::string text : {"", "plain text", "Grüße, мир, 世界",
                                   "emoji 👩‍👩‍👧 🎉", "\xf4\x8f\xbf\xbf"})
        EXPECT_EQ(escaped(text), text);
}

TEST(escaped, quotes_and_controls) {
    EXPECT_EQ(escaped(R"(a"b\c)"), R"(a\"b\\c)");
    EXPECT_EQ(escaped("\t\r\n"), R"(\t\r\n)");
    EXPECT_EQ(escaped(std::string_view("\0\x1b\x7f", 3)), R"(\u0000\u001b\u007f)");
    EXPECT_EQ(escaped("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0"), "\\u0080\\u009b\\u009f\xc2\xa0");
}

TEST(escaped, marks_that_make_a_line_read_otherwise) {
    EXPECT_EQ(escaped("\u202eabc\u202c"), R"(\u202eabc\u202c)");
    EXPECT_EQ(escaped("\u2066\u2069\u200e\u200f\u061c"), R"(\u2066\u2069\u200e\u200f\u061c)");
    EXPECT_EQ(escaped("\u2028\u2029\ufeff"), R"(\u2028\u2029\ufeff)");
    EXPECT_EQ(escaped("\U000e0041"), R"(\udb40\udc41)");
}

TEST(escaped, invalid_utf8) {
    EXPECT_EQ(escaped("\x80"), R"(\ufffd)");
    EXPECT_EQ(escaped("a\xff"), R"(a\ufffd)");
    EXPECT_EQ(escaped("\xc0\xaf"), R"(\ufffd\ufffd)");                     // overlong
    EXPECT_EQ(escaped("\xe0\x80\xaf"), R"(\ufffd\ufffd\ufffd)");           // overlong
    EXPECT_EQ(escaped("\xed\xa0\x80"), R"(\ufffd\ufffd\ufffd)");           // a surrogate
    EXPECT_EQ(escaped("\xf4\x90\x80\x80"), R"(\ufffd\ufffd\ufffd\ufffd)"); // beyond U+10FFFF
    EXPECT_EQ(escaped("\xe2\x82"), R"(\ufffd\ufffd)");                     // cut off
    EXPECT_EQ(escaped("\xe2\x82z"), R"(\ufffd\ufffdz)");
    EXPECT_EQ(escaped("\xef\xbf\xbd"), "\xef\xbf\xbd"); // a U+FFFD that was sent is text
}

TEST(escaped, is_cut_between_characters) {
    EXPECT_EQ(escaped("abcdef", 6), "abcdef");
    EXPECT_EQ(escaped("abcdef", 5), "abcde...");
    EXPECT_EQ(escaped("ab世", 4), "ab...");
    EXPECT_EQ(escaped("abc", 0), "...");
    EXPECT_EQ(escaped("", 0), "");
    EXPECT_EQ(escaped(std::string(1000, 'x')).size(), 259u);
}

} // namespace
