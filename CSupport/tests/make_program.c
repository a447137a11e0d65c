// Writes a small program file with drawn weights, for tests that need no trained model.
//
//   make_program FILE IMAGES ROWS COLUMNS PATCH CHANNELS WIDTH HEADS HIDDEN POOL      ROWS and COLUMNS of patches; POOL 0…3
#include "small_program.h"
#include <stdio.h>

int main(int count, char **arguments) {
    if (count != 11) return fprintf(stderr, "usage: make_program FILE IMAGES ROWS COLUMNS PATCH CHANNELS WIDTH HEADS HIDDEN POOL\n"), 2;
    int sizes[9];
    for (int i = 0; i < 9; i++) sizes[i] = atoi(arguments[2 + i]);
    small_program p = make_small_program((small_sizes){
        sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6], sizes[7], sizes[8]});
    curricle_encoder encoder;
    curricle_status status = curricle_open(&encoder, p.bytes, p.size, NULL);
    if (status != CURRICLE_OK) return fprintf(stderr, "make_program: %s\n", curricle_status_text(status)), 1;
    FILE *file = fopen(arguments[1], "wb");
    if (!file || fwrite(p.bytes, 1, p.size, file) != p.size || fclose(file)) return perror(arguments[1]), 1;
    free_small_program(&p);
    return 0;
}
