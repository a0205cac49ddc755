# Writes OUTPUT: a C++ source holding the text of FILES as byte arrays (see embed.cmake).
set(arrays "")
set(entries "")
set(index 0)
foreach(file ${FILES})
  get_filename_component(file_name ${file} NAME)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "const unsigned char file_${index}[] = {${bytes}0};\n")
  string(APPEND entries "    {\"${file_name}\", {reinterpret_cast<const char*>(file_${index}), ${size}}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUTPUT} "#include \"embedded/${NAME}.hpp\"
namespace embedded {
namespace {
${arrays}const ${NAME}_file files[] = {
${entries}};
} // namespace
std::span<const ${NAME}_file> ${NAME}() { return files; }
} // namespace embedded
")
