// The machine that the others are compared with.
#include "device.h"
#include <stdio.h>

void device_print(const char *text) { fputs(text, stdout); }
uint64_t device_instructions(void) { return 0; }
void device_paint_stack(void) {}
uint32_t device_stack_used(void) { return 0; }
