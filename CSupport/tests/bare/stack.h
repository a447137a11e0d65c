// The stack of a device: marked from its lower end to just below the caller, and looked through for what has changed.
#include "device.h"

extern uint32_t stack_low[], stack_high[];
enum { MARK = 0x5AFE57AC };
static uint32_t *painted_from;

__attribute__((noinline)) void device_paint_stack(void) {
    uint32_t *here = __builtin_frame_address(0);
    painted_from = here;
    for (volatile uint32_t *word = stack_low; word < here - 16; word++) *word = MARK;
}
uint32_t device_stack_used(void) {
    uint32_t *word = stack_low;
    while (word < painted_from && *word == MARK) word++;
    return (uint32_t)((painted_from - word) * sizeof *word);
}
