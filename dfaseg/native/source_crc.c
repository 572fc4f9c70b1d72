/* What the library was compiled from: a test tells when that is no longer what lies beside it. */

#include <stdint.h>

const uint32_t dfaseg_source_crc = DFASEG_SOURCE_CRC;
