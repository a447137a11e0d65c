// A Cortex-M on an MPS2 board: vectors, start, semihosting, and SysTick as a counter.
#include "stack.h"

extern uint32_t data_load[], data_start[], data_end[], bss_start[], bss_end[];
int main(void);

static int semihost(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
void device_print(const char *text) { semihost(4, text); } // SYS_WRITE0

static volatile uint32_t *const systick = (uint32_t *)0xE000E010; // control, reload, value
static volatile uint32_t wraps;
static void tick(void) { wraps++; }
/// With qemu's `-icount shift=0` an instruction takes 1 ns and a tick of the board's 25 MHz 40.
uint64_t device_instructions(void) { return ((uint64_t)wraps * 0x1000000 + (0xFFFFFF - systick[2])) * 40; }

static void start(void) {
    for (uint32_t *from = data_load, *to = data_start; to < data_end;) *to++ = *from++;
    for (uint32_t *to = bss_start; to < bss_end;) *to++ = 0;
    *(volatile uint32_t *)0xE000ED88 |= 0xF << 20; // CPACR: the FPU is on
    __asm__ volatile("dsb\nisb");
    systick[1] = 0xFFFFFF, systick[2] = 0, systick[0] = 7;
    const uint32_t exit[2] = {0x20026, (uint32_t)main()}; // ADP_Stopped_ApplicationExit and its code
    semihost(0x20, exit);                                 // SYS_EXIT_EXTENDED
    for (;;) {}
}
static void fault(void) {
    device_print("failed: a fault\n");
    const uint32_t exit[2] = {0x20026, 1};
    semihost(0x20, exit);
    for (;;) {}
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_high, (void *)start, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault, 0, 0, 0, 0,
    (void *)fault, (void *)fault, 0, (void *)fault, (void *)tick};
