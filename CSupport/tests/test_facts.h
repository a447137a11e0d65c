// What a program file says of itself: names, writer, checksum, self-test; and how long its instructions take. Part of test_encoder.c.

/// The small program as a file of version 2 with so many bytes behind its parameters.
static void extend(const char *names, size_t bytes) {
    program_header *old = (program_header *)broken.bytes;
    size_t size = up_to(broken.size + bytes, 64);
    uint8_t *longer = aligned_alloc(64, size);
    memset(longer, 0, size);
    memcpy(longer, broken.bytes, broken.size);
    memcpy(longer + broken.size, names, bytes);
    program_header *h = (program_header *)longer;
    h->version = 2;
    h->labels = (program_section){broken.size, bytes};
    h->file_bytes = size;
    free(old);
    broken.bytes = longer;
    broken.size = size;
    seal(&broken);
}

/// Names of a classifier's classes, which lie in the file, and all that they could be but are not.
static void test_labels(small_sizes sizes) {
    broken = make_small_program(sizes);
    curricle_encoder encoder;
    expect_status("no names", curricle_open(&encoder, broken.bytes, broken.size, NULL), CURRICLE_OK);
    expect(curricle_label(&encoder, 0) == NULL, "a name of none", 1, 0);
    char names[4096] = "";
    size_t bytes = 0;
    for (int i = 0; i < sizes.width; i++) bytes += (size_t)sprintf(names + bytes, "%s%d", i % 3 ? "class " : "\xe9", i) + 1; // not UTF-8
    extend(names, bytes);
    program_header *h = (program_header *)broken.bytes;
    expect_status("names", curricle_open(&encoder, broken.bytes, broken.size, NULL), CURRICLE_OK);
    const char *next = names;
    for (int i = 0; i < sizes.width; i++, next += strlen(next) + 1) {
        const char *name = curricle_label(&encoder, (uint32_t)i);
        expect(name && !strcmp(name, next), "a name", i, i);
    }
    expect(curricle_label(&encoder, (uint32_t)sizes.width) == NULL, "a name too many", 1, 0);
    expect(curricle_label(NULL, 0) == NULL, "no encoder's name", 1, 0);
    REFUSED(h->labels.bytes, h->labels.bytes - 1, CURRICLE_BAD_SECTION); // the last name has no end
    REFUSED(h->labels.bytes, UINT64_MAX, CURRICLE_BAD_SECTION);
    REFUSED(h->labels.bytes, 0, CURRICLE_BAD_SECTION);
    REFUSED(h->labels.offset, h->labels.offset + 1, CURRICLE_BAD_SECTION);
    REFUSED(h->labels.offset, h->parameters.offset, CURRICLE_BAD_SECTION);
    REFUSED(h->labels.offset, UINT64_MAX - 63, CURRICLE_BAD_SECTION);
    REFUSED(broken.bytes[h->labels.offset + 1], 0, CURRICLE_BAD_SECTION); // a name more
    REFUSED(h->tested, 2, CURRICLE_BAD_SECTION);
    REFUSED(h->pool, CURRICLE_POOL_PROBABILITIES, CURRICLE_OK);
    REFUSED(h->pool, CURRICLE_POOL_PROBABILITIES + 1, CURRICLE_BAD_SHAPE);
    free_small_program(&broken);
}

/// The small program as a file of version 2 that says nothing of itself.
static program_header *second_version(small_sizes sizes) {
    broken = make_small_program(sizes);
    extend("", 0);
    program_header *h = (program_header *)broken.bytes;
    h->labels.offset = 0;
    seal(&broken);
    return h;
}

/// What a board asks at boot: the checksum of a run on the formula's bytes, held against a run on the same bytes from outside.
static void test_self_test(small_sizes sizes) {
    program_header *h = second_version(sizes);
    curricle_encoder encoder;
    expect_status("version 2", curricle_open(&encoder, broken.bytes, broken.size, OPTIONS(.normalize = 1)), CURRICLE_OK);
    size_t values = (size_t)h->images * h->height * h->width * h->channels, count = (size_t)h->images * h->rows * h->row_width;
    void *arena = aligned_alloc(CURRICLE_ALIGNMENT, curricle_arena_bytes(&encoder));
    float *output = malloc(count * sizeof *output);
    uint8_t *pixels = malloc(values);
    expect_status("nothing to test by", curricle_self_test(&encoder, arena, output), CURRICLE_UNTESTED);
    for (size_t i = 0; i < values; i++) pixels[i] = (uint8_t)((uint32_t)(i + 1) * 2654435761u >> 24);
    expect_status("open", curricle_open(&encoder, broken.bytes, broken.size, NULL), CURRICLE_OK);
    expect_status("a run", curricle_run(&encoder, arena, pixels, output), CURRICLE_OK);
    h->tested = 1;
    h->test_checksum = checksum_of((uint8_t *)output, count * sizeof *output);
    seal(&broken);
    for (int isa = CURRICLE_ISA_BASELINE; isa <= CURRICLE_ISA_NEON; isa++) {
        if (!curricle_isa_available((curricle_isa)isa)) continue;
        expect_status("open", curricle_open(&encoder, broken.bytes, broken.size, OPTIONS(.isa = isa, .normalize = 1)), CURRICLE_OK);
        void *own = aligned_alloc(CURRICLE_ALIGNMENT, curricle_arena_bytes(&encoder));
        int fuses = curricle_isa_fuses((curricle_isa)isa);
        expect_status("a sound machine", curricle_self_test(&encoder, own, output), fuses ? CURRICLE_OK : CURRICLE_UNTESTED);
        expect_status("no arena", curricle_self_test(&encoder, NULL, output), CURRICLE_BAD_ARGUMENT);
        expect_status("output over the arena", curricle_self_test(&encoder, own, own), CURRICLE_BAD_ARGUMENT);
        broken.bytes[h->parameters.offset + 10] ^= 0x40; // a bit of flash
        expect_status("a weight that changed", curricle_self_test(&encoder, own, output), fuses ? CURRICLE_OTHER_RESULT : CURRICLE_UNTESTED);
        broken.bytes[h->parameters.offset + 10] ^= 0x40;
        free(own);
    }
    free(arena);
    free(output);
    free(pixels);
    free_small_program(&broken);
}

/// Times of instructions are added up and change nothing; an instruction has the name of its kernel.
static void test_times(small_sizes sizes) {
    small_program p = make_small_program(sizes);
    curricle_encoder encoder;
    curricle_open(&encoder, p.bytes, p.size, NULL);
    const program_header *h = (const program_header *)p.bytes;
    size_t values = (size_t)h->images * h->height * h->width * h->channels, count = (size_t)h->images * h->rows * h->row_width;
    void *arena = block(curricle_arena_bytes(&encoder));
    uint8_t *pixels = calloc(values, 1);
    float *plain = malloc(count * sizeof *plain), *timed = malloc(count * sizeof *timed);
    uint32_t instructions = curricle_instruction_count(&encoder);
    expect(instructions == p.count, "instructions", instructions, p.count);
    uint64_t *times = calloc(instructions + 1, sizeof *times), sum = 0, before = times[instructions] = 77;
    expect_status("a run", curricle_run(&encoder, arena, pixels, plain), CURRICLE_OK);
    for (int run = 0; run < 100; run++) expect_status("a timed run", curricle_run_timed(&encoder, arena, pixels, timed, times), CURRICLE_OK);
    expect(!memcmp(plain, timed, count * sizeof *plain), "bits of a timed run", 0, 0);
    for (uint32_t i = 0; i < instructions; i++) sum += times[i];
#ifdef CURRICLE_BARE
    expect(sum == 0, "nanoseconds without a clock", (double)sum, 0);
#else
    expect(sum > 0 && sum < UINT64_C(60000000000), "nanoseconds of 100 runs", (double)sum, 1);
#endif
    expect(times[instructions] == before, "what lies behind the times", (double)times[instructions], (double)before);
    expect(!strcmp(curricle_instruction_name(&encoder, 0), "patchify"), "the first instruction's name", 0, 0);
    expect(!strcmp(curricle_instruction_name(&encoder, 1), "linear"), "the second instruction's name", 0, 0);
    expect(!curricle_instruction_name(&encoder, instructions) && !curricle_instruction_name(NULL, 0), "names of no instructions", 1, 0);
    expect(curricle_instruction_count(NULL) == 0, "instructions of no encoder", 1, 0);
    free(arena), free(pixels), free(plain), free(timed), free(times);
    free_small_program(&p);
}

/// Who wrote the file, and its checksum.
static void test_writer(small_sizes sizes) {
    program_header *h = second_version(sizes);
    curricle_encoder encoder;
    expect_status("open", curricle_open(&encoder, broken.bytes, broken.size, NULL), CURRICLE_OK);
    expect(!curricle_writer(&encoder) && !curricle_writer(NULL), "a writer of none", 1, 0);
    strcpy(h->writer, "someone 3.2");
    seal(&broken);
    expect_status("open", curricle_open(&encoder, broken.bytes, broken.size, NULL), CURRICLE_OK);
    expect(curricle_writer(&encoder) && !strcmp(curricle_writer(&encoder), "someone 3.2"), "the writer", 0, 1);
    expect(curricle_checksum(&encoder) == h->checksum && h->checksum != 0, "the checksum", curricle_checksum(&encoder), h->checksum);
    expect(curricle_checksum(NULL) == 0, "the checksum of no encoder", curricle_checksum(NULL), 0);
    memset(h->writer, 'x', sizeof h->writer); // without an end
    seal(&broken);
    expect_status("a writer without an end", curricle_open(&encoder, broken.bytes, broken.size, NULL), CURRICLE_BAD_SECTION);
    free_small_program(&broken);
}
