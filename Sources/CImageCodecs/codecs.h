#include <stddef.h>
#include <stdio.h>
#include <turbojpeg.h>
#include <spng.h>
#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
