#include "curricle_ranks.h"

#include <time.h>

static void begin(curricle_bucket *bucket) {
    for (int32_t i = 0; i < bucket->added; i++) {
        const curricle_addition *a = &bucket->additions[i];
        for (uint64_t j = 0; j < a->count; j++) a->sum[j] += a->addend[j];
    }
    bucket->number = curricle_ranks()->start(&bucket->exchange);
}

static uint64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void curricle_marks_reached(void *context, uint32_t next) {
    curricle_marks *marks = context;
    while (marks->begun < marks->count && marks->buckets[marks->begun].ready <= next) begin(&marks->buckets[marks->begun++]);
    if (marks->arrived == marks->expected || marks->arrivals[marks->arrived].needed > next) return;
    uint64_t before = nanoseconds();
    while (marks->arrived < marks->expected && marks->arrivals[marks->arrived].needed <= next)
        curricle_ranks()->wait(marks->arrivals[marks->arrived++].number);
    marks->waited += nanoseconds() - before;
}
