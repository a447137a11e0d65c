// A 64-bit RISC-V on qemu's `virt` board: start, semihosting, the counter of instructions.
#include "stack.h"

extern uint64_t bss_start[], bss_end[];
int main(void);

static long semihost(long operation, const void *argument) {
    register long a0 __asm__("a0") = operation;
    register const void *a1 __asm__("a1") = argument;
    // The sequence that a debugger knows; its three instructions must lie in one page.
    __asm__ volatile(".option push\n.option norvc\n.balign 16\nslli x0, x0, 0x1f\nebreak\nsrai x0, x0, 7\n.option pop"
                     : "+r"(a0) : "r"(a1) : "memory");
    return a0;
}
void device_print(const char *text) { semihost(4, text); } // SYS_WRITE0
uint64_t device_instructions(void) {
    uint64_t count;
    __asm__ volatile("csrr %0, minstret" : "=r"(count));
    return count;
}

static void leave(uint64_t code) {
    const uint64_t exit[2] = {0x20026, code}; // ADP_Stopped_ApplicationExit
    semihost(0x20, exit);                     // SYS_EXIT_EXTENDED
    for (;;) {}
}
__attribute__((aligned(4))) static void fault(void) {
    device_print("failed: a trap\n");
    leave(1);
}
__attribute__((used)) void run(void) {
    for (uint64_t *to = bss_start; to < bss_end;) *to++ = 0;
    __asm__ volatile("csrw mtvec, %0" ::"r"(fault));
    leave((uint64_t)main());
}
__asm__(".section .vectors, \"ax\"\n"
        ".globl start\n"
        "start: la sp, stack_high\n"
        "li t0, 0x2000\n" // mstatus: the FPU is on
        "csrs mstatus, t0\n"
        "call run\n"
        ".previous\n");
