// Where the fields of 1.0 lie, by whichever header it is compiled with.
#include <curricle.h>
#include <stdio.h>

#define FIELD(type, field) printf(#type "." #field " %zu, %zu bytes\n", offsetof(type, field), sizeof(((type *)0)->field));
int main(void) {
    printf("encoder %zu, resizer %zu bytes\n", sizeof(curricle_encoder), sizeof(curricle_resizer));
    FIELD(curricle_options, size) FIELD(curricle_options, threads) FIELD(curricle_options, isa) FIELD(curricle_options, ignore_checksum)
    FIELD(curricle_options, normalize) FIELD(curricle_options, parallel_for) FIELD(curricle_options, parallel_context)
    FIELD(curricle_shape, size) FIELD(curricle_shape, images) FIELD(curricle_shape, height) FIELD(curricle_shape, width)
    FIELD(curricle_shape, channels) FIELD(curricle_shape, patch) FIELD(curricle_shape, pool) FIELD(curricle_shape, rows)
    FIELD(curricle_shape, row_width) FIELD(curricle_strip, size) FIELD(curricle_strip, format) FIELD(curricle_strip, rows)
    FIELD(curricle_strip, plane) FIELD(curricle_strip, stride)
}
