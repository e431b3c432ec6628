#include "processor.h"

#include "ckernels.h"

extern "C" bool ck_has_bfloat16(void) { return hasBFloat16(); }
