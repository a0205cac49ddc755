#include "base/utf8.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace {

using namespace std::string_view_literals;

TEST(Utf8, IsAsStrictAsRfc3629) {
    for (const auto text :
         {""sv, "abc"sv, "\0"sv, "é"sv, "€"sv, "😀"sv, "\xed\x9f\xbf"sv, "\xee\x80\x80"sv,
          "\xf4\x8f\xbf\xbf"sv, "\xef\xbf\xbf"sv, "12345678é12345678😀12345678"sv})
        EXPECT_TRUE(base::is_utf8(text)) << text;
    for (const auto text : {"\x80"sv,
                            "\xbf"sv,
                            "\xc0\x80"sv,
                            "\xc1\xbf"sv,
                            "\xe0\x80\x80"sv,
                            "\xe0\x9f\xbf"sv,
                            "\xf0\x80\x80\x80"sv,
                            "\xf0\x8f\xbf\xbf"sv,
                            "\xed\xa0\x80"sv,
                            "\xed\xbf\xbf"sv,
                            "\xf4\x90\x80\x80"sv,
                            "\xf5\x80\x80\x80"sv,
                            "\xfe"sv,
                            "\xff"sv,
                            "\xc3"sv,
                            "\xe2\x82"sv,
                            "\xf0\x9f\x98"sv,
                            "\xc3("sv,
                            "12345678\xc3"sv,
                            "1234567\xc3"sv
                            "12345678"sv,
                            "\xf8\x88\x80\x80\x80"sv})
        EXPECT_FALSE(base::is_utf8(text));
}

/// Every code point, against the ranges of RFC 3629.
TEST(Utf8, EveryTwoAndThreeByteSequence) {
    for (unsigned a = 0x80; a < 0x100; ++a)
        for (unsigned b = 0; b < 0x100; ++b) {
            const char two[] = {static_cast<char>(a), static_cast<char>(b)};
            const bool tail = b >= 0x80 && b <= 0xbf;
            EXPECT_EQ(base::is_utf8({two, 2}), a >= 0xc2 && a <= 0xdf && tail) << a << ' ' << b;
            const char three[] = {two[0], two[1], '\x80'};
            const bool second = a == 0xe0 ? b >= 0xa0 && tail : a == 0xed ? b < 0xa0 && tail : tail;
            EXPECT_EQ(base::is_utf8({three, 3}), a >= 0xe0 && a <= 0xef && second) << a << ' ' << b;
        }
}

/// Valid, invalid and unfinished text, cut everywhere: the pieces say what the whole says.
TEST(Utf8, ComesInPieces) {
    for (const auto text :
         {"é€😀"sv, "12345678é12345678"sv, "x\xe2\x82"sv, "\xf0\x9f\x98"sv, "\xed\xa0\x80"sv,
          "\xe0\x80\xaf"sv, "\xf4\x90\x80\x80"sv, "abcdefgh\xffijklmnop"sv, "\xc3(\xc3"sv}) {
        base::utf8_check whole;
        const bool valid = whole.feed(text);
        for (std::size_t first = 0; first <= text.size(); ++first)
            for (std::size_t second = first; second <= text.size(); ++second) {
                base::utf8_check pieces;
                const bool fine = pieces.feed(text.substr(0, first)) &&
                                  pieces.feed(text.substr(first, second - first)) &&
                                  pieces.feed(text.substr(second));
                EXPECT_EQ(fine, valid) << text;
                if (valid) {
                    EXPECT_EQ(pieces.is_complete(), whole.is_complete()) << text;
                }
            }
    }
}

} // namespace
