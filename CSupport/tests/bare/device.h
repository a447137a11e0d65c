// What main.c asks of a device: host.c, arm.c and riscv64.c are three.
#include <stdint.h>

void device_print(const char *text);
/// Instructions run so far, where the device can count them; else 0.
uint64_t device_instructions(void);
/// Marks the stack below the caller, and says later how far down it was written.
void device_paint_stack(void);
uint32_t device_stack_used(void);
